"""The examples in docstrings give what they say."""

import doctest
from importlib import import_module

import pytest
from support.commands import ROOT

PACKAGE = ROOT / "src" / "polyhead"
MODULES = [
    ".".join(["polyhead", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_give_what_they_say(name):
    results = doctest.testmod(import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
