"""Options given as objects: each describes itself as the YAML that would have made it."""

from dataclasses import dataclass
from functools import partial

import pytest
from omegaconf import OmegaConf
from support.configs import CONFIGS

from polyhead.app.api.option_objects import describe, is_object, write_option
from polyhead.app.config.builder import build, plain
from polyhead.app.config.trust import check_config
from polyhead.errors import UserError
from polyhead.freezing import FreezeSpec, Gradual
from polyhead.objectives.weighting import DynamicAverage
from polyhead.tasks import Task

TASKS = (Task("category", ("a", "b")), Task("sentiment", ("c", "d")))
GIVEN = {"weighting": {"tasks": [task.name for task in TASKS]}, "loss": {"tasks": TASKS}}
OPTIONS = [
    (group, path.stem)
    for group in ("freeze", "heads", "loss", "optimizer", "weighting", "encoder", "activation_cache")
    for path in sorted((CONFIGS / group).glob("*.yaml"))
    if "_target_" in path.read_text()
]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_object_of_every_option_that_ships_is_described_as_its_yaml(group, option):
    node = OmegaConf.load(CONFIGS / group / f"{option}.yaml")
    if "${" in (CONFIGS / group / f"{option}.yaml").read_text() or OmegaConf.missing_keys(node):
        pytest.skip("its values come from elsewhere")
    described = describe(group, build(node, group, **GIVEN.get(group, {})))
    again = describe(group, build(OmegaConf.create(described), group, **GIVEN.get(group, {})))
    assert again == described
    if not node._target_.endswith("_layers"):  # constructors of a class beside its own
        assert described | plain(node) == described


@dataclass(frozen=True)
class Own:
    """Of a user's module."""

    size: int
    parts: tuple[str, ...] = ()


class Forgetful:
    pass


def test_class_partial_and_dict_stand_for_an_object():
    described = {"_target_": "polyhead.objectives.weighting.DynamicAverage", "temperature": 3.0}
    assert describe("weighting", partial(DynamicAverage, temperature=3.0)) == described
    assert describe("weighting", DynamicAverage(temperature=3.0, tasks=["a", "b"])) == described
    assert describe("weighting", described) == described
    assert describe("weighting", DynamicAverage) == {"_target_": described["_target_"]}
    assert describe("freeze", Own(2, ("x",))) == {"_target_": f"{__name__}.Own", "size": 2, "parts": ["x"]}
    assert not any(map(is_object, ["lora", None, True, ["csv"], {"a": 1}]))


def test_described_option_is_one_that_a_run_may_be_read_back_with(tmp_path):
    check_config({"freeze": describe("freeze", Gradual(groups=2, epochs=1))}, (), tmp_path)


def test_equal_objects_are_one_option_and_others_another(tmp_path):
    names = {
        write_option("freeze", describe("freeze", FreezeSpec(list(frozen))), tmp_path)
        for frozen in (["heads"], ["heads"], ["encoder"])
    }
    assert {path.stem for path in (tmp_path / "freeze").glob("*.yaml")} == names
    assert len(names) == 2
    assert all(name.startswith("freeze_spec_") for name in names)


def local_class():
    class Local:
        pass

    return Local


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Forgetful(), "weighting: a Forgetful does not tell what it was made with"),
        (Own(2, (object(),)), "weighting.parts.0: object given, which no configuration holds"),
        (partial(Own, 2), "without names"),
        (local_class(), "stands inside a function"),
        (lambda: None, "stands inside a function"),
    ],
)
def test_object_that_does_not_say_what_it_is_made_from_is_refused(value, message):
    with pytest.raises(UserError, match=message):
        describe("weighting", value)
