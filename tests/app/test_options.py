import pytest
from omegaconf import OmegaConf
from support.commands import ROOT

from polyhead.app.options import check_options
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


@pytest.mark.parametrize("name", ["encode", "export", "predict", "serve"])
def test_options_of_commands_are_not_called_like_a_group(name):
    """The command line would take ``accelerator=cpu`` for a choice in that group, and refuse it."""
    config = OmegaConf.load(ROOT / "configs" / f"{name}.yaml")
    groups = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert not groups & {*config}
