"""Quotes of overrides: how to type a value that Hydra's grammar refuses without them. Imports nothing heavy."""

import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

_PARTS = re.compile(r"""'(?:\\.|[^'])*'|"(?:\\.|[^"])*"|[\[\]{},:]|[^\[\]{},:'"]+""")
_STRUCTURE = "[]{},:'\""
_PLAIN = re.compile(r"[\w/.+$%*@?|-]+", re.ASCII)


def quoting_hint(override: str) -> str:
    """Return how to type an override that Hydra could not parse, as a shell takes it.

    >>> quoting_hint("tasks=[mood,gr\u00f6\u00dfe]")
    'text with such signs has quotes inside quotes: \\'tasks=[mood,"gr\u00f6\u00dfe"]\\''

    Args:
        override: ``key=value``.
    """
    key, _, value = override.partition("=")
    for quoted in (_quote_parts(value), *([] if value.startswith(("[", "{")) else [_quoted(value)])):
        if _can_be_parsed(f"{key}={quoted}"):
            return f"text with such signs has quotes inside quotes: {shlex.quote(f'{key}={quoted}')}"
    return "names in it may have the letters a to z, digits and underscores alone; a YAML file takes others"


def _quote_parts(value: str) -> str:
    """Quote the texts of a list or of entries, one by one; names of entries cannot have quotes."""
    parts = _PARTS.findall(value)
    return "".join(_quote_part(part, following) for part, following in zip(parts, [*parts[1:], ""], strict=True))


def _quote_part(part: str, following: str) -> str:
    text = part.strip()
    if not text or text[0] in _STRUCTURE or following == ":" or _PLAIN.fullmatch(text):
        return part
    return part.replace(text, _quoted(text))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _can_be_parsed(override: str) -> bool:
    try:
        OverridesParser.create().parse_overrides([override])
    except HydraException:
        return False
    return True
