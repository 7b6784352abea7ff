"""Values of Python as overrides: Hydra reads each back as it was."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from polyhead.app.terminal.override_writing import override
from polyhead.errors import UserError

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ .:=,()-]{0,8}[a-z]", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(NAMES, one, max_size=3))


def read_back(text):
    value = OverridesParser.create().parse_override(text).value()
    return OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)["value"]


@pytest.mark.slow
@settings(deadline=None, derandomize=True, max_examples=40)
@given(VALUES)
def test_hydra_reads_back_what_was_written(value):
    assert read_back(override("key", value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("runs/a-1.csv", "key=runs/a-1.csv"),
        (Path("a b.csv"), "key='a b.csv'"),
        ("true", "key='true'"),
        ("${oc.env:HOME}", "key='\\${oc.env:HOME}'"),
        (1e-5, "key=1e-05"),
        (["a", {"b": None}], "key=[a,{b:null}]"),
    ],
)
def test_texts_have_quotes_where_they_need_them_alone(value, text):
    assert override("key", value) == text


def test_none_takes_a_key_out_with_its_sign():
    assert override("~callbacks.progress", None) == "~callbacks.progress"


@pytest.mark.parametrize("value", [object(), {"ü": 1}, [{1, 2}]])
def test_what_no_configuration_holds_is_refused(value):
    with pytest.raises(UserError, match="^key: "):
        override("key", value)
