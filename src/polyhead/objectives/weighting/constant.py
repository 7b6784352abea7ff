"""Weights that stay as they are."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polyhead.errors import UserError, did_you_mean
from polyhead.objectives.weighting.base import Weighting


class Equal(Weighting):
    r"""The plain sum of the losses.

    .. math:: L = \sum_t L_t

    where :math:`L_t` is the loss of task t. With ordinary regularisation it matches far more elaborate rules
    (Kurin et al. 2022, arXiv 2201.04122, "unitary scalarization").
    """

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return ones (T,)."""
        return torch.ones_like(losses)


class Fixed(Weighting):
    r"""A sum with constant weights.

    .. math:: L = \sum_t w_t L_t

    where :math:`w_t` is the weight given for task t. Weight 0 trains the task's head on nothing.

    Args:
        tasks: names, in the order in which losses come.
        weights: ``{task: weight}``, one for every task, not negative, not all 0.

    Raises:
        UserError: a task without a weight, a weight without a task, a negative one, or nothing but zeros.
    """

    fixed: Tensor

    def __init__(self, tasks: Sequence[str], weights: Mapping[str, float]) -> None:
        super().__init__(tasks)
        for name in weights:
            if name not in self.tasks:
                raise UserError(f"weighting.weights: no task is called {name!r}; {did_you_mean(name, self.tasks)}")
        for name in self.tasks:
            if name not in weights:
                raise UserError(f"weighting.weights: none for {name!r}; add weighting.weights.{name}=1")
            if not 0 <= weights[name] < float("inf"):
                raise UserError(f"weighting.weights.{name}: {weights[name]} given; it must be finite, 0 or more")
        if not any(weights.values()):
            raise UserError("weighting.weights: all are 0; at least one task must count")
        self.register_buffer("fixed", torch.tensor([float(weights[name]) for name in self.tasks]))

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return the weights (T,) given."""
        return self.fixed
