"""Freezing: which parts of the model are not trained. Knows nothing about optimizers or schedules.

Parts go by the names a user sees in the model: ``encoder``, ``encoder.embeddings``, ``encoder.layers``,
``encoder.layers[0]``, ``encoder.layers[:4]``, ``heads``, ``heads.category``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import nn

from polyhead.errors import UserError, neighbours
from polyhead.model import MultiTaskModel

_LAYERS = re.compile(r"encoder\.layers\[(?P<start>-?\d*)(?P<colon>:?)(?P<stop>-?\d*)\]")


@dataclass(frozen=True)
class Freezing:
    """The parts of the model that stay as they are.

    Frozen means three things: no gradient (``requires_grad`` is off), evaluation mode (no dropout, also while the
    rest trains) and no place in the optimizer.

    Args:
        frozen: names of parts, see the head of this file; none trains the entire network.

    Raises:
        UserError: a text in place of a list.
    """

    frozen: Sequence[str]

    def __post_init__(self) -> None:
        if isinstance(self.frozen, str):
            raise UserError(f"freeze.frozen: the text {self.frozen!r} given; write a list, as [{self.frozen}]")

    @classmethod
    def lower_layers(cls, count: int) -> Self:
        """Freeze the embeddings and the lowest ``count`` layers.

        Raises:
            UserError: a count below 1.
        """
        if count < 1:
            raise UserError(f"freeze.count: {count} given; freeze at least 1 layer, or take freeze=embeddings")
        return cls(("encoder.embeddings", f"encoder.layers[:{count}]"))

    def apply(self, model: MultiTaskModel) -> None:
        """Freeze the parts and put all else into training mode.

        Raises:
            UserError: a name that the model does not have; the model is untouched then.
        """
        modules = self.modules(model)
        for module in modules:
            module.requires_grad_(False)
        model.train()
        self.hold(model)

    def hold(self, model: MultiTaskModel) -> None:
        """Put the frozen parts back into evaluation mode, after something called ``model.train()``."""
        for module in self.modules(model):
            module.eval()

    def modules(self, model: MultiTaskModel) -> list[nn.Module]:
        """Look up the modules that the names stand for.

        Raises:
            UserError: names that the model does not have, all at once, with the valid ones.
        """
        modules: list[nn.Module] = []
        unknown: list[str] = []
        for name in self.frozen:
            found = modules_named(model, name)
            modules += found
            if not found:
                unknown.append(name)
        if unknown:
            given = ", ".join(map(repr, unknown))
            raise UserError(f"freeze.frozen: the model has no {given}; {neighbours(unknown[0], valid_names(model))}")
        return modules


def modules_named(model: MultiTaskModel, name: str) -> list[nn.Module]:
    """Return the modules that a part's name stands for; empty if there are none."""
    parts: dict[str, list[nn.Module]] = {
        "encoder": [model.encoder],
        "encoder.embeddings": model.encoder.embeddings,
        "encoder.layers": [model.encoder.layers],
        "heads": [model.heads],
        **{f"heads.{task}": [head] for task, head in model.heads.items()},
    }
    if name in parts:
        return parts[name]
    match = _LAYERS.fullmatch(name)
    return _layers_between(list(model.encoder.layers), **match.groupdict()) if match else []


def valid_names(model: MultiTaskModel) -> list[str]:
    """List the names that can be frozen."""
    depth = len(model.encoder.layers)
    layers = [f"encoder.layers[i] and encoder.layers[i:j] with layers 0 to {depth - 1}"]
    return [
        "encoder",
        "encoder.embeddings",
        "encoder.layers",
        *layers,
        "heads",
        *(f"heads.{t}" for t in model.heads),
    ]


def _layers_between(layers: list[nn.Module], start: str, colon: str, stop: str) -> list[nn.Module]:
    depth = len(layers)
    bounds = [int(bound) for bound in (start, stop) if bound]
    if any(not -depth <= bound <= depth for bound in bounds):
        return []  # Python would cut the slice silently: layers[:9] of 6 is a mistake, not all of them
    if colon:
        return layers[int(start) if start else None : int(stop) if stop else None]
    return [layers[int(start)]] if start and not stop and int(start) < depth else []


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return how many parameters are trained and how many there are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
