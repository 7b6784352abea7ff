"""Options: whether values of the command line have the types that are asked for. Knows nothing about commands."""

import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError

from polyhead.errors import UserError, did_you_mean, is_finite

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Sequence: "a list",
    Mapping: "entries with names, as in {name: value}",
    type(None): "null",
}


def check_options(config: DictConfig, sections: Collection[str] | None = None, **hints: Any) -> None:
    """Check the types of options that are values by themselves and no part of an object, all at once.

    Args:
        config: of the command.
        sections: the other keys that the command reads; None where they are not to be checked.
        hints: a type per option, as ``str`` or ``str | None``.

    Raises:
        UserError: options that are missing or of another type, or that the command does not have, one a line.
    """
    problems = [_problem(config, name, hint) for name, hint in hints.items()]
    known = [*hints, *(sections or ())]
    unknown = [] if sections is None else [str(name) for name in config if name not in known]
    problems += [f"{name}: no such key; {did_you_mean(name, known)}" for name in unknown]
    if found := list(filter(None, problems)):
        raise UserError("\n".join(found))


def _problem(config: DictConfig, name: str, hint: Any) -> str | None:
    if OmegaConf.is_missing(config, name):
        return f"{name}: missing; set {name}=..."
    try:
        value = config[name]
    except InterpolationToMissingValueError:  # that value has a line of its own
        return None
    if has_type(value, hint):
        return None
    line = f"{name}: {value!r} given; it must be {describe_type(hint)}"
    # The command line makes a number of digits, and a column or a folder may be called so.
    if has_type("", hint) and isinstance(value, int | float):
        line += f""": write "{name}='{value}'\""""
    return line


def type_problems(key: str, value: Any, hint: Any) -> Iterator[str]:
    """Yield a line for what is of another type than a hint names; ``betas.1`` is the second entry of a list.

    Args:
        key: of the value, for the lines.
        value: plain data, as a configuration has it.
        hint: a type hint.
    """
    if not has_type(value, hint):
        if get_origin(hint) is Literal:
            yield f"{key}: unknown {value!r}; {did_you_mean(value, map(str, get_args(hint)))}"
        else:
            yield f"{key}: {value!r} given; it must be {describe_type(hint)}"
        return
    entry_hint = _entry_hint(value, hint)
    if entry_hint is not None:
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, entry in entries:
            yield from type_problems(f"{key}.{name}", entry, entry_hint)


def has_type(value: Any, hint: Any) -> bool:
    """Return whether plain data may stand where a hint is; the entries of lists and mappings are not looked at.

    A whole number is a number, a bool is neither; what is infinite or not a number is none. An object is described by
    entries with a ``_target_``.
    """
    return any(_is(value, kind) for kind in _kinds(hint))


def describe_type(hint: Any) -> str:
    """Return a type in words: ``a text or null``."""
    words = [word for kind in _kinds(hint) for word in _words(kind)]
    return " or ".join(dict.fromkeys(words)) or "entries with a _target_"


def _words(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    return [_WORDS[kind]] if kind in _WORDS else []


def _is(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in get_args(kind))
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return is_finite(value)
    if kind is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str)
    if kind in _WORDS:
        return isinstance(value, kind)
    return isinstance(value, Mapping) and "_target_" in value


def _kinds(hint: Any) -> list[Any]:
    """Return what a hint allows: keys of ``_WORDS``, Any, choices, and classes whose objects no plain data is."""
    if isinstance(hint, type) and issubclass(hint, Path):
        return [str]
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return [kind for alternative in get_args(hint) for kind in _kinds(alternative)]
    if origin is Literal:
        return [hint]
    kind = origin or hint
    if not isinstance(kind, type):
        return [Any]
    if kind in _WORDS:
        return [kind]
    if issubclass(kind, Mapping):
        return [Mapping]
    return [Sequence] if issubclass(kind, Sequence) or kind.__name__ == "Iterable" else [_object(kind)]


def _object(kind: type) -> Any:
    return Any if kind is object else kind


def _entry_hint(value: Any, hint: Any) -> Any:
    """Return the hint of the entries of a list or a mapping, None where there are none or they may be anything."""
    wanted = Mapping if isinstance(value, Mapping) else Sequence
    if isinstance(value, str) or not isinstance(value, wanted):
        return None
    alternatives = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    fitting = [alternative for alternative in alternatives if _kinds(alternative) in ([wanted], [Any])]
    arguments = get_args(fitting[0]) if len(fitting) == 1 else ()
    return arguments[-1] if arguments else None
