from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pytest

from polyhead.storage.schema import misfits


class Point(TypedDict):
    x: float
    labels: list[str]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1, float),
        (1.5, float),
        (1, int),
        (True, bool),
        ("a", str),
        (None, float | None),
        (2.0, float | None),
        ([], list[str]),
        (["a"], Sequence[str]),
        ({"a": [1]}, Mapping[str, list[int]]),
        ({"x": 1, "labels": ["a"], "later": object}, Point),
        (object, Any),
        ({"a": object}, Mapping[str, Any]),
    ],
)
def test_schema_takes_what_fits(value, hint):
    assert list(misfits("a", value, hint)) == []


@pytest.mark.parametrize(
    ("value", "hint", "line"),
    [
        (True, float, "a: True given; it must be a finite number"),
        (True, int, "a: True given; it must be a whole number"),
        (1, bool, "a: 1 given; it must be true or false"),
        (1.0, int, "a: 1.0 given; it must be a whole number"),
        (float("nan"), float, "a: nan given; it must be a finite number"),
        (float("-inf"), float | None, "a: -inf given; it must be a finite number or null"),
        (10**400, float, "a: 1000000000"),
        ("ab", list[str], "a: 'ab' given; it must be a list"),
        ({}, list[str], "a: {} given; it must be a list"),
        ([], Mapping[str, str], "a: [] given; it must be entries with names"),
        ([1], Point, "a: [1] given; it must be entries with names"),
        (["b", 2], Sequence[str], "a[1]: 2 given; it must be a text"),
        ({"b": [{"c": None}]}, Mapping[str, list[Mapping[str, int]]], "a.b[0].c: None given"),
        ({"labels": []}, Point, "a.x: missing"),
    ],
)
def test_schema_names_the_part_that_does_not_fit(value, hint, line):
    (found,) = misfits("a", value, hint)
    assert found.startswith(line)
    assert len(found) < 200
