"""Weights that stay as they are."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polyhead.errors import ParameterError, did_you_mean, parameter_problems
from polyhead.objectives.weighting.base import Weighting


class Equal(Weighting):
    r"""The plain sum of the losses.

    .. math:: L = \sum_t L_t

    where :math:`L_t` is the loss of task t. With ordinary regularization it matches far more elaborate rules
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
        weights: ``{task: weight}``, one for every task, finite, 0 or more, not all 0.

    Raises:
        ParameterError: a task without a weight, a weight without a task, one out of range, or nothing but zeros; all
            at once.
    """

    fixed: Tensor

    def __init__(self, tasks: Sequence[str], weights: Mapping[str, float]) -> None:
        super().__init__(tasks)
        problems = _weight_problems(self.tasks, weights)
        if problems:
            raise ParameterError("\n".join(problems))
        self.register_buffer("fixed", torch.tensor([float(weights[name]) for name in self.tasks]))

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return the weights (T,) given."""
        return self.fixed


def _weight_problems(tasks: Sequence[str], weights: Mapping[str, float]) -> list[str]:
    unknown = [name for name in weights if name not in tasks]
    problems = [f"weights: no task is called {name!r}; {did_you_mean(name, tasks)}" for name in unknown]
    for name in tasks:
        if name not in weights:
            problems.append(f"weights: none for {name!r}; give one, 1 for the weight in the plain sum")
        else:
            allowed = 0 <= weights[name] < float("inf")
            problems += parameter_problems((f"weights.{name}", weights[name], allowed, "finite, 0 or more"))
    if not problems and not any(weights.values()):
        problems.append("weights: all are 0; at least one task must count")
    return problems
