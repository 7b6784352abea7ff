import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf
from support.commands import ROOT

from polyhead.app.config.options import check_options, type_problems
from polyhead.errors import UserError

KINDS = {"input": str, "port": int, "overwrite": bool, "run": str | None, "loss": float}
FINE = {"input": "a", "port": 1, "overwrite": True, "run": None, "loss": 1}


def test_check_options_accepts_values_of_the_right_kind():
    check_options(OmegaConf.create(FINE), **KINDS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input": 7}, """input: 7 given; it must be a text: write "input='7'\""""),
        ({"input": None}, "input: None given; it must be a text"),
        ({"input": "???"}, "input: missing; set input=..."),
        ({"port": "http"}, "port: 'http' given; it must be a whole number"),
        ({"port": True}, "port: True given; it must be a whole number"),
        ({"overwrite": "maybe"}, "overwrite: 'maybe' given; it must be true or false"),
        ({"loss": "low"}, "loss: 'low' given; it must be a number"),
        (
            {"loss": "low", "port": 1.5},
            "port: 1.5 given; it must be a whole number\nloss: 'low' given; it must be a number",
        ),
    ],
)
def test_check_options_reports_all_wrong_values_at_once(wrong, message):
    with pytest.raises(UserError) as error:
        check_options(OmegaConf.create(FINE | wrong), **KINDS)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("value", "hint", "problems"),
    [
        ([0.9, 1], Sequence[float], []),
        ([0.9, "a"], Sequence[float], ["k.1: 'a' given; it must be a number"]),
        ("ab", Sequence[str], ["k: 'ab' given; it must be a list"]),
        ({"a": math.nan}, float | Mapping[str, float], ["k.a: nan given; it must be a number"]),
        ({"a": 1}, float | Mapping[str, float], []),
        (-math.inf, float, ["k: -inf given; it must be a number"]),
        (True, int | None, ["k: True given; it must be a whole number or null"]),
        ("meen", Literal["mean", "max"], ["k: unknown 'meen'; did you mean 'mean'? Valid: max, mean"]),
        ("", bool | Literal["link"] | None, ["k: '' given; it must be true or false or link or null"]),
        ("link", bool | Literal["link"] | None, []),
        ("a", Path, []),
        (5, Path | None, ["k: 5 given; it must be a text or null"]),
        (5, OverflowError, ["k: 5 given; it must be entries with a _target_"]),
        ({"_target_": "x"}, OverflowError, []),
        (object, Any, []),
    ],
)
def test_type_problems_name_each_place_of_another_type(value, hint, problems):
    assert list(type_problems("k", value, hint)) == problems


@pytest.mark.parametrize("name", ["encode", "export", "predict", "serve"])
def test_options_of_commands_are_not_called_like_a_group(name):
    """The command line would take ``accelerator=cpu`` for a choice in that group, and refuse it."""
    config = OmegaConf.load(ROOT / "configs" / f"{name}.yaml")
    groups = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert not groups & {*config}
