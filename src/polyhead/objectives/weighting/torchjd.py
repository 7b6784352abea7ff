"""TorchJD's rules by name; the library is imported when one is asked for."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal

from torch import nn

from polyhead.errors import ParameterError, check_parameters, did_you_mean, one_line, require_extra

NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
"""A rule as TorchJD has it."""

_HOMES = {"scalarizer": ("torchjd.scalarization", "Scalarizer"), "aggregator": ("torchjd.aggregation", "Aggregator")}
"""Kind of rule -> TorchJD's module, and the class in it that all rules of the kind derive from."""


def torchjd_rule(
    kind: Literal["scalarizer", "aggregator"], name: str, settings: Mapping[str, Any], tasks: int
) -> nn.Module:
    """Build a rule of TorchJD.

    Args:
        kind: which kind of rule; also the name of the parameter that errors speak of.
        name: of the rule's class.
        settings: its arguments; the number of tasks is filled in where it asks for it.
        tasks: how many there are.

    Raises:
        ParameterError: no rule has the name, or the settings do not fit it.
        UserError: TorchJD, or another library that the rule needs, is not installed.
    """
    rules = _rules_of(kind)
    if name not in rules:
        raise ParameterError(f"{kind}: TorchJD has no {name!r}; {did_you_mean(name, rules)}")
    rule = rules[name]
    arguments = dict(settings)
    if "n_tasks" in inspect.signature(rule).parameters:
        arguments.setdefault("n_tasks", tasks)
    _check_settings(arguments, tasks)
    with require_extra("balancing", f"{kind} {name}"):
        try:
            built: nn.Module = rule(**arguments)
        except (TypeError, ValueError) as error:
            reason = one_line(error)
            raise ParameterError(f"settings: {arguments} given; {reason}") from error
    return built


def _check_settings(settings: Mapping[str, Any], tasks: int) -> None:
    """Refuse what TorchJD takes in silence: numbers that are none, and another number of tasks than there are."""
    counted = settings.get("n_tasks", tasks)
    numbers = {name: value for name, value in settings.items() if isinstance(value, int | float)}
    check_parameters(
        *((f"settings.{name}", value, isfinite(value), "a finite number") for name, value in numbers.items()),
        ("settings.n_tasks", counted, counted == tasks, f"{tasks}, as many as there are tasks"),
    )


def _rules_of(kind: str) -> dict[str, Any]:
    """Return TorchJD's rules of a kind by the names of their classes."""
    home, base_name = _HOMES[kind]
    with require_extra("balancing", kind):
        module = import_module(home)
    base = getattr(module, base_name)
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    return {name: rule for name, rule in classes.items() if issubclass(rule, base) and not inspect.isabstract(rule)}
