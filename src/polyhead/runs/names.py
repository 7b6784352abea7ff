"""Names: values of a configuration written short enough for the name of a run. Knows nothing about configurations."""

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import PurePath

_FILE = re.compile(r"[^\[\]{},:]*/(?P<path>[^\[\]{},:/]+)/?|(?P<file>[^\[\]{},:/]+)\.(?:csv|tsv|jsonl|parquet|ya?ml)\b")
_QUOTES = re.compile("[\"']")


def shorten(values: Iterable[str]) -> dict[str, str]:
    """Return each value as a name has it; where two would be equal, a hash keeps all of them apart.

    >>> shorten(["data/train.csv", "[a/b.csv,c.csv]", "0.1"])
    {'data/train.csv': 'train', '[a/b.csv,c.csv]': '[b,c]', '0.1': '0.1'}
    """
    values = list(dict.fromkeys(values))
    hashed = clash(values)
    return {value: short_value(value, hashed) for value in values}


def clash(values: Iterable[str]) -> bool:
    """Return whether two values would be equal if they were cut."""
    values = set(values)
    return len({short_value(value, False) for value in values}) < len(values)


def short_value(value: str, hashed: bool) -> str:
    """Return a value with its paths cut to the stems of their files, and with a hash of the whole if that is wanted."""
    short = _FILE.sub(_stem, _QUOTES.sub("", value))
    return f"{short}~{sha256(value.encode()).hexdigest()[:8]}" if hashed else short


def _stem(match: re.Match[str]) -> str:
    return match["file"] or PurePath(match["path"]).stem
