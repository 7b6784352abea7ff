"""TorchJD's rules by name; the library is imported when one is asked for."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from polyhead.errors import UserError, did_you_mean, require_extra


def torchjd_rule(kind: str, base: str, name: str, settings: Mapping[str, Any], tasks: int) -> nn.Module:
    """Build a rule of TorchJD.

    Args:
        kind: ``scalarization`` or ``aggregation``.
        base: name of the class that all rules of the kind derive from.
        name: of the rule's class.
        settings: its arguments; the number of tasks is filled in where it asks for it.
        tasks: how many there are.

    Raises:
        UserError: TorchJD or what the rule needs besides is not installed, no rule has the name, or the settings do not
            fit it.
    """
    key = f"weighting.{'scalarizer' if kind == 'scalarization' else 'aggregator'}"
    with require_extra("balancing", key):
        module = import_module(f"torchjd.{kind}")
    rules: dict[str, Any] = {
        rule: value
        for rule, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, getattr(module, base)) and not inspect.isabstract(value)
    }
    if name not in rules:
        raise UserError(f"{key}: TorchJD has no {name!r}; {did_you_mean(name, rules)}")
    arguments = dict(settings)
    if "n_tasks" in inspect.signature(rules[name]).parameters:
        arguments.setdefault("n_tasks", tasks)
    with require_extra("balancing", f"{key}: {name}"):
        try:
            built: nn.Module = rules[name](**arguments)
        except (TypeError, ValueError) as error:
            raise UserError(f"weighting.settings: {arguments} given; {' '.join(str(error).split())}") from error
    return built
