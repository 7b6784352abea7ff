"""Weighting: the tasks' losses -> one loss to minimise. Knows nothing about models, batches or trainers.

Shapes: T tasks. All state lives in buffers and parameters, so that a checkpoint restores it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from polyhead.errors import UserError, neighbours


class Weighting(nn.Module, ABC):
    """A rule that combines losses (T,) into a scalar ().

    A task without a labelled row in the batch has loss 0 and ``labelled`` False; it must neither count as solved nor
    move the weights.

    Args:
        tasks: names, in the order in which losses come.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    @abstractmethod
    def weights(self) -> Tensor:
        """Return the factor (T,) on each task's loss now."""

    def forward(self, losses: Tensor, labelled: Tensor) -> Tensor:
        """Combine losses (T,) in nats, of which ``labelled`` (T,) says whether the batch had any label for them."""
        return present(self.weights() * losses, labelled).sum()


def present(terms: Tensor, labelled: Tensor) -> Tensor:
    """Replace the terms (T,) of tasks without a label by 0, which stays in the graph as DDP wants it."""
    return torch.where(labelled, terms, torch.zeros_like(terms))


class Equal(Weighting):
    r"""The plain sum of the losses.

    .. math:: L = \sum_t L_t

    where :math:`L_t` is the loss of task t. With ordinary regularisation it matches far more elaborate rules
    (Kurin et al. 2022, arXiv 2201.04122, "unitary scalarization").
    """

    unit: Tensor

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.register_buffer("unit", torch.ones(len(self.tasks)))

    def weights(self) -> Tensor:
        """Return ones (T,)."""
        return self.unit


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
                raise UserError(f"weighting.weights: no task is called {name!r}; {neighbours(name, self.tasks)}")
        for name in self.tasks:
            if name not in weights:
                raise UserError(f"weighting.weights: none for {name!r}; add weighting.weights.{name}=1")
            if not 0 <= weights[name] < float("inf"):
                raise UserError(f"weighting.weights.{name}: {weights[name]} given; it must be finite, 0 or more")
        if not any(weights.values()):
            raise UserError("weighting.weights: all are 0; at least one task must count")
        self.register_buffer("fixed", torch.tensor([float(weights[name]) for name in self.tasks]))

    def weights(self) -> Tensor:
        """Return the weights (T,) given."""
        return self.fixed


class Uncertainty(Weighting):
    r"""Weights from learned homoscedastic uncertainty (Kendall, Gal, Cipolla 2018, arXiv 1705.07115, equation 10).

    .. math:: L = \sum_t e^{-s_t} L_t + s_t / 2

    where :math:`s_t = \log \sigma_t^2` is learned and starts at 0, so that all weights start at 1. The logarithm keeps
    the variance positive without a bound, and the sum never divides by zero. The form is the paper's for
    classification, whose loss has no factor 1/2 as regression has. A task without a label in the batch adds no
    :math:`s_t / 2` either, else its weight would grow with every batch that it is absent from.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.log_variances = nn.Parameter(torch.zeros(len(self.tasks)))

    def weights(self) -> Tensor:
        r"""Return :math:`e^{-s}` (T,)."""
        return torch.exp(-self.log_variances)

    def forward(self, losses: Tensor, labelled: Tensor) -> Tensor:
        """Combine losses (T,); see :meth:`Weighting.forward`."""
        return present(self.weights() * losses + self.log_variances / 2, labelled).sum()
