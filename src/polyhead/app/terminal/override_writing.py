"""Override writing: values of Python in Hydra's grammar of overrides. Imports nothing heavy."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyhead.app.terminal.command_line import quoted
from polyhead.errors import UserError

_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*(?<!\.)", re.ASCII)
_WORDS = re.compile(r"(?i:true|false|null|nan|[+-]?inf)")  # that are no texts in the grammar
_KEY_SIGNS = re.compile(r"([\\()\[\]{}:=, \t])")
_KEY = re.compile(r"[A-Za-z_][\w.$%*@?|+/-]*", re.ASCII)


def override(key: str, value: Any) -> str:
    """Write ``key=value``.

    >>> override("data.files.train", "train.csv"), override("tasks", ["a", {"b": ["x", None]}])
    ('data.files.train=train.csv', 'tasks=[a,{b:[x,null]}]')

    Raises:
        UserError: a value that no configuration holds.
    """
    if key.startswith("~") and value is None:
        return key
    return f"{key}={written(value, key)}"


def written(value: Any, key: str) -> str:
    """Write a value; a text without quotes where it needs none.

    Raises:
        UserError: a value that no configuration holds.
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(int(value))
        case float():
            return _number(float(value))
        case str() | Path():
            text = str(value)
            return text if _PLAIN.fullmatch(text) and not _WORDS.fullmatch(text) else quoted(text)
        case Mapping():
            return "{" + ",".join(f"{_entry(name, key)}:{written(part, key)}" for name, part in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(written(part, key) for part in value) + "]"
    raise UserError(f"{key}: {type(value).__name__} given; it must be a number, a text, a list, a dict or None")


def _number(value: float) -> str:
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return "nan" if math.isnan(value) else repr(value)


def _entry(name: object, key: str) -> str:
    """Write the name of an entry, which the grammar has no quotes for."""
    text = _KEY_SIGNS.sub(r"\\\1", str(name))
    if not _KEY.fullmatch(re.sub(r"\\.", "", text) or "_"):
        raise UserError(f"{key}: {name!r} given as the name of an entry; write it into a file of your configuration")
    return text
