"""Option objects: an option of a group given as an object of Python, written as the YAML file that describes it."""

import dataclasses
import hashlib
import inspect
import re
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from polyhead.app.config.trust import ROLES
from polyhead.errors import UserError
from polyhead.objectives.made_with import RecordsArguments
from polyhead.storage.output import write_atomically, write_errors

_TARGET = "_target_"
_GIVEN_BY_THE_RUN = {"loss": ("tasks",), "weighting": ("tasks",)}
"""Group -> arguments that its objects take from the run."""

_FORMS = "give its class, functools.partial of that, or a dict with _target_"


def is_object(value: object) -> bool:
    """Return whether a value describes an object, and does not name an option."""
    if isinstance(value, Mapping):
        return _TARGET in value
    return not isinstance(value, str | int | float | list | tuple | type(None))


def describe(group: str, value: Any) -> dict[str, Any]:
    """Return the node of a configuration from which an equal object is built.

    Args:
        group: for which it is given.
        value: a weighting, a loss, or an object of a dataclass; of any class, the class itself, a
            ``functools.partial`` of it, or a dict with ``_target_``.

    Raises:
        UserError: the object does not tell what it was made with, or no name leads to its class.
    """
    if isinstance(value, Mapping):
        return {str(name): _plain(group, str(name), part) for name, part in value.items()}
    if isinstance(value, partial):
        if value.args:
            raise UserError(f"{group}: a partial with arguments without names given; name them")
        kind, arguments = value.func, dict(value.keywords)
    elif inspect.isclass(value) or inspect.isroutine(value):
        kind, arguments = value, {}
    else:
        kind, arguments = type(value), _arguments(group, value)
    return {_TARGET: _name(group, kind)} | {name: _plain(group, name, part) for name, part in arguments.items()}


def write_option(group: str, node: Mapping[str, Any], folder: Path) -> str:
    """Write a node as an option of a group, and return the option's name, in which a digest tells arguments apart.

    Raises:
        UserError: the file cannot be written.
    """
    text = yaml.safe_dump(dict(node), sort_keys=True, allow_unicode=True)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(node[_TARGET]).rpartition(".")[2]).lower()
    option = f"{words}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    path = folder / group / f"{option}.yaml"
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial_file:
            partial_file.write_text(text, encoding="utf-8")
    return option


def _arguments(group: str, value: Any) -> dict[str, Any]:
    """Return the arguments that an object was made with, but for those that the run gives."""
    if dataclasses.is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value) if item.init}
    if isinstance(value, RecordsArguments):
        given = _GIVEN_BY_THE_RUN.get(group, ())
        return {name: argument for name, argument in value.made_with().items() if name not in given}
    raise UserError(f"{group}: a {type(value).__name__} does not tell what it was made with; {_FORMS}")


def _name(group: str, kind: Any) -> str:
    """Return the name of a class; of polyhead's own the public one."""
    home, name = ROLES.get(group, ("", ""))[0], getattr(kind, "__qualname__", "")
    if home and getattr(import_module(home), name, None) is kind:
        return f"{home}.{name}"
    if not name or "<" in name:
        raise UserError(f"{group}: {kind!r} stands inside a function, where no command finds it; move it to a module")
    return f"{kind.__module__}.{name}"


def _plain(group: str, name: str, value: Any) -> Any:
    """Return an argument in plain types."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(group, f"{name}.{key}", part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(group, f"{name}.{index}", part) for index, part in enumerate(value)]
    raise UserError(f"{group}.{name}: {type(value).__name__} given, which no configuration holds; {_FORMS}")
