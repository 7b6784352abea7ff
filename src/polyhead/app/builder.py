"""The builder: a node of the configuration -> the object that it describes, its arguments checked beforehand."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from polyhead.app.options import describe_types, has_type, plain_types
from polyhead.errors import ParameterError, UserError


def build(node: DictConfig, key: str, **objects: Any) -> Any:
    """Build the object that a configuration node describes; the only place that does.

    Args:
        node: ``_target_`` and its arguments.
        key: where the node stands in the configuration, for messages.
        objects: arguments that are objects and no configuration; they win over the node's.

    Raises:
        UserError: an argument is unknown, missing, of the wrong type, or refused by the target.
    """
    target = _find_target(node, key)
    arguments = {name: value for name, value in plain(node).items() if not name.startswith("_")}
    problems = list(_misfits(target, key, arguments, objects))
    if problems:
        raise UserError("\n".join(problems))
    try:
        # Objects go round Hydra, which would take dataclasses among them for configurations and tear them apart.
        return instantiate(node, _partial_=True, _convert_="all")(**objects)
    except Exception as error:
        raise UserError(_message(error, key)) from error


def plain(node: DictConfig) -> dict[str, Any]:
    """Turn a configuration node into plain Python, interpolations resolved."""
    container: dict[str, Any] = OmegaConf.to_container(node, resolve=True)  # type: ignore[assignment]
    return container


def _find_target(node: DictConfig, key: str) -> Any:
    name = node.get("_target_")
    if name is None:
        raise UserError(f"{key}._target_: missing; name a class or a function, or choose an option of the group {key}")
    try:
        return get_object(name)
    except (HydraException, ValueError, ImportError, AttributeError) as error:
        raise UserError(f"{key}._target_: {name!r} cannot be found; name a class or a function") from error


def _misfits(target: Any, key: str, arguments: Mapping[str, Any], objects: Mapping[str, Any]) -> Iterator[str]:
    """Say which arguments do not fit the target's signature, a line each."""
    parameters = inspect.signature(target).parameters
    takes_anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in () if takes_anything else {*arguments} - {*parameters}:
        valid = sorted({*parameters} - {*objects, "self"})
        yield f"{key}.{name}: {_target_name(target)} has no such argument; valid: {', '.join(valid)}"
    given = {*arguments, *objects}
    for name, parameter in parameters.items():
        if name not in given and _is_required(parameter):
            yield f"{key}.{name}: missing; set {key}.{name}=..."
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    for name, value in arguments.items():
        allowed = plain_types(hints.get(name))
        if name not in objects and allowed and not has_type(value, allowed):
            yield f"{key}.{name}: {value!r} given; it must be {describe_types(allowed)}"


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
    return str(error) if isinstance(error, UserError) else f"{key}: {' '.join(str(error).split())}"
