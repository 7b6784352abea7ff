"""Schema: whether plain values have the types that annotations state. Knows nothing about files."""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from polyhead.errors import is_finite

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PLAIN: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    bool: "true or false",
    type(None): "null",
}
_SHOWN = 60  # characters of a value in a message


def misfits(name: str, value: object, hint: Any) -> Iterator[str]:
    """Yield a line for each part of a value that has another type than it should.

    A bool is no number, and a number is finite. A typed dict has at least its keys.

    >>> list(misfits("temperature", True, float | None))
    ['temperature: True given; it must be a finite number or null']
    >>> list(misfits("losses", {"category": 1, "sentiment": "x"}, Mapping[str, float]))
    ["losses.sentiment: 'x' given; it must be a finite number"]

    Args:
        name: of the value, for the lines.
        value: of plain types.
        hint: plain types, unions of them, mappings and sequences, typed dicts, or ``Any``.
    """
    if hint is Any:
        return
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if any(_is_plain(value, kind) for kind in kinds):
        return
    nested = [kind for kind in kinds if kind not in _PLAIN and _holds(value, kind)]
    if nested:
        yield from _parts(name, value, nested[0])
    else:
        rule = " or ".join(_PLAIN.get(kind, _describe(kind)) for kind in kinds)
        yield f"{name}: {_shown(value)} given; it must be {rule}"


def field_misfits(kind: "type[DataclassInstance]", content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each field of a dataclass whose value has another type; missing and other keys are passed over.

    Args:
        kind: the dataclass.
        content: values by the names of fields.
    """
    hints = get_type_hints(kind)
    for item in fields(kind):
        if item.name in content:
            yield from misfits(item.name, content[item.name], hints[item.name])


def _is_plain(value: object, kind: Any) -> bool:
    if kind not in _PLAIN or (isinstance(value, bool) and kind is not bool):
        return False
    if kind is float:
        return is_finite(value)
    return isinstance(value, kind)


def _holds(value: object, kind: Any) -> bool:
    """Return whether a value is a container of a kind, whatever is in it."""
    if _is_mapping(kind):
        return isinstance(value, Mapping)
    return isinstance(value, Sequence) and not isinstance(value, str)


def _parts(name: str, value: Any, kind: Any) -> Iterator[str]:
    if is_typeddict(kind):
        for key, hint in get_type_hints(kind).items():
            if key in value:
                yield from misfits(f"{name}.{key}", value[key], hint)
            elif key in kind.__required_keys__:
                yield f"{name}.{key}: missing"
    elif _is_mapping(kind):
        for key, part in value.items():
            yield from misfits(f"{name}.{key}", part, get_args(kind)[1])
    else:
        for index, part in enumerate(value):
            yield from misfits(f"{name}[{index}]", part, get_args(kind)[0])


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return is_typeddict(kind) or (isinstance(origin, type) and issubclass(origin, Mapping))


def _describe(kind: Any) -> str:
    return "entries with names" if _is_mapping(kind) else "a list"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
