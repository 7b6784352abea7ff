"""The defaults of our classes and the values of the YAML files, which say the same where both say something."""

import inspect
from collections.abc import Iterator, Mapping

import pytest
import yaml
from hydra.utils import get_object
from support.commands import ROOT

CONFIGS = ROOT / "configs"
UNLIKE = {
    "prompt": (None, "runs of version 0.1.0 have none"),
    "layers": (None, "encoder=teacher is there to keep some"),
    "min_rows": (0, "runs of version 0.1.0 know no such limit"),
}
"""Parameter -> the default of the class where some YAML says something else, and why it does."""


def objects_in(node: object) -> Iterator[Mapping[str, object]]:
    """Yield all entries that name one of our classes."""
    if isinstance(node, dict):
        if str(node.get("_target_")).startswith("polyhead."):
            yield node
        for value in node.values():
            yield from objects_in(value)


def stated(entry):
    """Yield name, value and default of the parameters for which both are plain."""
    for name, parameter in inspect.signature(get_object(entry["_target_"])).parameters.items():
        value = entry.get(name, parameter.empty)
        is_plain = not isinstance(value, dict | list) and "${" not in str(value) and value != "???"
        if is_plain and parameter.empty not in (value, parameter.default):
            yield name, value, parameter.default


FILES = {str(path.relative_to(CONFIGS)): yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.rglob("*.yaml"))}
OURS = {name: [*objects_in(content)] for name, content in FILES.items()}


@pytest.mark.parametrize("name", [name for name, entries in OURS.items() if entries])
def test_yaml_states_the_defaults_of_the_class(name):
    unlike = {
        parameter: (value, default)
        for entry in OURS[name]
        for parameter, value, default in stated(entry)
        if value != default
    }
    assert {parameter: default for parameter, (_, default) in unlike.items()} == {
        parameter: UNLIKE[parameter][0] for parameter in unlike if parameter in UNLIKE
    }


def test_yaml_states_many_defaults():
    assert sum(1 for entries in OURS.values() for entry in entries for _ in stated(entry)) > 60
