"""Options: whether values of the command line have the types that a command asks for. Knows nothing about commands."""

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from omegaconf import DictConfig, OmegaConf

from polyhead.errors import UserError

_PLAIN: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Mapping: "entries with names, as in {name: value}",
    type(None): "null",
}


def check_options(config: DictConfig, **kinds: Any) -> None:
    """Check the types of options that are values by themselves and no part of an object, all at once.

    Args:
        config: of the command.
        kinds: a type per option, as ``str`` or ``str | None``.

    Raises:
        UserError: options that are missing or of another type, one a line.
    """
    problems = [_problem(config, name, plain_types(hint)) for name, hint in kinds.items()]
    if found := list(filter(None, problems)):
        raise UserError("\n".join(found))


def _problem(config: DictConfig, name: str, allowed: list[type]) -> str | None:
    if OmegaConf.is_missing(config, name):
        return f"{name}: missing; set {name}=..."
    value = config[name]
    if has_type(value, allowed):
        return None
    line = f"{name}: {value!r} given; it must be {describe_types(allowed)}"
    # The command line makes a number of digits, and a column or a folder may be called so.
    if str in allowed and isinstance(value, int | float):
        line += f""": write "{name}='{value}'\""""
    return line


def plain_types(hint: Any) -> list[type]:
    """Return the plain types that a type hint allows; none if it allows anything else, too."""
    kinds = list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]
    kinds = [Mapping if get_origin(kind) is Mapping else kind for kind in kinds]
    return kinds if all(kind in _PLAIN for kind in kinds) else []


def has_type(value: Any, allowed: list[type]) -> bool:
    """Return whether a value is of one of the plain types; a whole number is a number, a bool is neither."""
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, tuple(allowed)) or (isinstance(value, int) and float in allowed)


def describe_types(allowed: list[type]) -> str:
    """Return plain types in words: ``a text or null``."""
    return " or ".join(_PLAIN[kind] for kind in allowed)
