"""Options: whether a value of the command line is of the kind that is asked for. Knows nothing about what it is for."""

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
    """Check options that are values by themselves and no part of an object, all of them at once.

    Args:
        config: its configuration.
        kinds: the types of options by name, as ``str`` or ``str | None``.

    Raises:
        UserError: options that are missing or of another type, one a line.
    """
    problems = []
    for name, hint in kinds.items():
        allowed = plain_types(hint)
        if OmegaConf.is_missing(config, name):
            problems.append(f"{name}: missing; set {name}=...")
        elif not has_type(config[name], allowed):
            # The command line makes a number of digits, and a column or a folder may be called so.
            digits = str in allowed and isinstance(config[name], int | float)
            quoted = f""": write "{name}='{config[name]}'\"""" if digits else ""
            problems.append(f"{name}: {config[name]!r} given; it must be {describe_types(allowed)}{quoted}")
    if problems:
        raise UserError("\n".join(problems))


def plain_types(hint: Any) -> list[type]:
    """Return the plain types a hint allows; empty if it allows anything else, too."""
    kinds = list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]
    kinds = [Mapping if get_origin(kind) is Mapping else kind for kind in kinds]
    return kinds if all(kind in _PLAIN for kind in kinds) else []


def has_type(value: Any, allowed: list[type]) -> bool:
    """Tell whether a value is of one of the plain types; a whole number is a number, a bool is neither."""
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, tuple(allowed)) or (isinstance(value, int) and float in allowed)


def describe_types(allowed: list[type]) -> str:
    """Spell out plain types: ``a text or null``."""
    return " or ".join(_PLAIN[kind] for kind in allowed)
