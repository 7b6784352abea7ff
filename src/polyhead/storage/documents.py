"""Documents: YAML and JSON of others, read as plain values within bounds. Knows nothing about their content.

A few hundred bytes of YAML can stand for gigabytes by aliases, and a few thousand brackets end Python's recursion. So a
document is measured before it is built: bytes, nodes, depth, and neither aliases nor tags, which no file of a run has.
"""

import json
import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from polyhead.errors import one_line

YAML_BYTES = 4_000_000
"""The largest YAML file that is read; the configuration of a run has 5,000."""

JSON_BYTES = 64_000_000
"""The largest JSON file that is read."""

_MOST_NODES = 200_000  # of YAML: values, keys, lists and mappings
_DEEPEST = 50  # mappings and lists inside each other
_LONGEST_SCALAR = 10_000  # characters; YAML computes numbers such as 1:1:1:... in quadratic time
_LONGEST_REASON = 160  # characters

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the compiled one where there is one
    """Reads YAML as OmegaConf does: 1e-4 is a number, a date is text."""


_NUMBER = re.compile(
    r"""^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789."))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no YAML, or out of bounds; the message says why.
    """
    return parse_yaml(_read_text(path, YAML_BYTES))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no JSON, out of bounds, or has numbers that are not finite; the message says why.
    """
    text = _read_text(path, JSON_BYTES)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def parse_yaml(text: str) -> Any:
    """Build the plain values of a YAML text.

    Raises:
        ValueError: it is no YAML, or out of bounds; the message says why.
    """
    try:
        _check_bounds(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(one_line(error, _LONGEST_REASON)) from error


def _check_bounds(text: str) -> None:
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it repeats parts by an alias, *{event.anchor}")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if not isinstance(event, yaml.NodeEvent):
            continue
        nodes += 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        _check_node(event)
        if depth > _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST} levels")
        if nodes > _MOST_NODES:
            raise ValueError(f"more than {_MOST_NODES:,} entries")


def _check_node(event: Any) -> None:
    if event.tag is not None:
        raise ValueError(f"it has a tag, {event.tag[:40]!r}")
    if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST_SCALAR:
        raise ValueError(f"a value of {len(event.value):,} characters")


def _read_text(path: Path, largest: int) -> str:
    if not path.is_file():  # a pipe would be waited for, a device never ends
        raise FileNotFoundError(2, "no such file", str(path))
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest:,} bytes")
    return content.decode("utf-8")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"a number that is {name}")
