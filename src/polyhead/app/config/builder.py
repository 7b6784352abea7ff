"""The builder: a node of the configuration -> the object that it describes, its arguments checked beforehand."""

import inspect
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from polyhead.app.config.literals import literal
from polyhead.app.config.options import type_problems
from polyhead.errors import ParameterError, UserError, did_you_mean, one_line, parameters_under

Given = ParamSpec("Given")
Result = TypeVar("Result")

_MISSING = "???"  # in YAML, for what the user must give
OmegaConf.register_new_resolver("last_name", lambda path: Path(path).name, replace=True)  # configs/logger names runs

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs, in several lines, what it raises as well


def build(node: DictConfig, key: str, kind: type | None = None, **objects: Any) -> Any:
    """Build the object that a configuration node describes; the only place that does.

    Args:
        node: ``_target_`` and its arguments.
        key: where the node stands in the configuration, for messages.
        kind: the class of which the object must be; None takes any.
        objects: arguments that are objects and no configuration; the node has none of their names.

    Raises:
        UserError: an argument is unknown, missing, of the wrong type, or refused by the target, or what the target
            makes is of another kind.
    """
    if not isinstance(node, DictConfig):
        raise UserError(f"{key}: {node!r} given; it has entries with names, _target_ among them")
    target = _find_target(node, key)
    content = plain(node)
    arguments = {name: value for name, value in content.items() if not str(name).startswith("_")}
    problems = list(_misfits(target, key, arguments, objects))
    if problems:
        raise UserError("\n".join(problems))
    try:
        # Objects go round Hydra, which would take dataclasses among them for configurations and tear them apart.
        config = OmegaConf.create(literal(literal(content)))  # Hydra resolves twice what it instantiates
        made = instantiate(config, _partial_=True, _convert_="all")(**objects)
    except Exception as error:
        raise UserError(_message(error, key)) from error
    if kind is not None and not isinstance(made, kind):
        raise UserError(f"{key}._target_: {node._target_!r} makes {type(made).__name__}; it must make {kind.__name__}")
    return made


def plain(node: DictConfig) -> dict[str, Any]:
    """Turn a configuration node into plain Python, interpolations resolved."""
    container: dict[str, Any] = OmegaConf.to_container(node, resolve=True)  # type: ignore[assignment]
    return container


def _find_target(node: DictConfig, key: str) -> Any:
    name = node.get("_target_")
    if not isinstance(name, str):
        raise UserError(f"{key}._target_: missing; name a class or a function, or choose an option of the group {key}")
    try:
        target = get_object(name)
    except Exception as error:  # of the name, or of the module that it is in
        raise UserError(f"{key}._target_: {name!r} cannot be found; name a class or a function") from error
    if not callable(target):
        raise UserError(f"{key}._target_: {name!r} cannot be called; name a class or a function")
    return target


def _misfits(target: Any, key: str, arguments: Mapping[str, Any], objects: Mapping[str, Any]) -> Iterator[str]:
    """Say which arguments do not fit the target's signature, a line each."""
    parameters, hints = _signature(target)
    takes_anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in () if takes_anything else {*arguments} - {*parameters}:
        valid = sorted({*parameters} - {*objects, "self"})
        yield f"{key}.{name}: {_target_name(target)} has no such argument; {did_you_mean(name, valid)}"
    for name in arguments:
        if name in objects:
            yield f"{key}.{name}: the run sets it by itself; leave it out"
    given = {*arguments, *objects}
    for name, parameter in parameters.items():
        if name not in given and _is_required(parameter):
            yield f"{key}.{name}: missing; set {key}.{name}=..."
    for name, value in arguments.items():
        if value == _MISSING:
            yield f"{key}.{name}: missing; set {key}.{name}=..."
        elif name not in objects:
            yield from _value_problems(f"{key}.{name}", value, hints.get(name, Any))


def _value_problems(key: str, value: object, hint: Any) -> Iterator[str]:
    if hint is Any and isinstance(value, float) and not math.isfinite(value):  # of another library, that tells no types
        yield f"{key}: {value} given; it must be finite"
    yield from type_problems(key, value, hint)


def _signature(target: Any) -> tuple[Mapping[str, inspect.Parameter], Mapping[str, Any]]:
    """Return the parameters of a target and their type hints; none of what does not tell them, as some of C do."""
    try:
        parameters = inspect.signature(target).parameters
        return parameters, get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (ValueError, TypeError, NameError):
        anything = inspect.Parameter("anything", inspect.Parameter.VAR_KEYWORD)
        return {"anything": anything}, {}


def _is_required(parameter: inspect.Parameter) -> bool:
    collects = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not collects


def _target_name(target: Any) -> str:
    """Return the name by which a target is known to its users."""
    return str(getattr(target, "__qualname__", target))


def _message(error: BaseException, key: str) -> str:
    """Return what the innermost exception says; Hydra wraps it, and names the target instead of the key."""
    while not isinstance(error, UserError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ParameterError):
        return str(error.under(key))
    return str(error) if isinstance(error, UserError) else f"{key}: {one_line(error)}"


def under(key: str, call: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return a function that puts ``key.`` in front of the parameters of the errors that ``call`` raises."""

    def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with parameters_under(key):
            return call(*args, **kwargs)

    return wrapped
