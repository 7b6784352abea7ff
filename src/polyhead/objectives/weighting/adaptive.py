"""Weights that follow the course of the losses."""

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from polyhead.errors import check_parameters
from polyhead.objectives.weighting.base import Weighting

_SMALLEST = 1e-8  # a loss below it counts as this


class DynamicAverage(Weighting):
    r"""Dynamic weight average, DWA (Liu, Johns, Davison 2019, arXiv 1803.10704, equation 7).

    .. math:: w_t = T \operatorname{softmax}_t(r_t / \tau), \quad r_t = \bar L_t(e - 1) / \bar L_t(e - 2)

    where :math:`\bar L_t(e)` is the mean training loss of task t in epoch e: a task whose loss falls more slowly weighs
    more. The ratios of the first two epochs are 1.

    Args:
        tasks: names, in the order in which losses come.
        temperature: tau; the larger, the more alike the weights.

    Raises:
        ParameterError: a temperature that is not above 0.
    """

    sums: Tensor
    counts: Tensor
    last: Tensor
    before_last: Tensor

    def __init__(self, tasks: Sequence[str], temperature: float = 2.0) -> None:
        super().__init__(tasks)
        check_parameters(("temperature", temperature, 0 < temperature < inf, "above 0"))
        self.temperature = temperature
        zeros = torch.zeros(len(self.tasks))
        unknown = torch.full_like(zeros, torch.nan)
        self.register_buffer("sums", zeros)  # of this epoch's losses
        self.register_buffer("counts", zeros.clone())  # of this epoch's steps with labels
        self.register_buffer("last", unknown)  # mean losses of the last epoch
        self.register_buffer("before_last", unknown.clone())

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return this epoch's weights (T,)."""
        self.sums = self.sums + torch.where(labelled, losses, 0.0)
        self.counts = self.counts + labelled
        ratios = (self.last / self.before_last.clamp_min(_SMALLEST)).nan_to_num(1.0)
        return len(losses) * torch.softmax(ratios / self.temperature, dim=0)

    def end_epoch(self) -> None:
        """Remember the epoch's mean losses; a task without labels keeps those it had."""
        seen = self.counts > 0
        self.before_last = torch.where(seen, self.last, self.before_last)
        means = self.sums / self.counts.clamp_min(1)
        self.last = torch.where(seen, means, self.last)
        self.sums = torch.zeros_like(self.sums)
        self.counts = torch.zeros_like(self.counts)


class InverseLossSoftmax(Weighting):
    r"""UW-SO, the softmax of inverse losses (Kirchdorfer et al. 2024, arXiv 2408.07985, equation 8).

    .. math:: w_t = T \operatorname{softmax}_t(1 / (\tau L_t))

    The weights that would be best for the uncertainty weighting of this batch, 1 over the loss, tamed by a softmax.

    Args:
        tasks: names, in the order in which losses come.
        temperature: tau; the larger, the more alike the weights. The paper searches it for each data set.

    Raises:
        ParameterError: a temperature that is not above 0.
    """

    def __init__(self, tasks: Sequence[str], temperature: float = 1.0) -> None:
        super().__init__(tasks)
        check_parameters(("temperature", temperature, 0 < temperature < inf, "above 0"))
        self.temperature = temperature

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return the weights (T,), shared among the tasks with labels."""
        inverse = 1 / (self.temperature * losses.clamp_min(_SMALLEST))
        return labelled.sum() * _softmax_over(labelled, inverse)


class Famo(Weighting):
    r"""FAMO, fast adaptive multitask optimization (Liu et al. 2023, arXiv 2306.03792, algorithm 1).

    .. math:: w_t = T c z_t / L_t, \quad z = \operatorname{softmax}(\xi), \quad c = 1 / \sum_t (z_t / L_t)

    The logits :math:`\xi` move by Adam so that all losses fall at like rates: along the derivative of :math:`\sum_t
    z_t \delta_t`, where :math:`\delta_t` is by how much the logarithm of the loss fell in the last step. The loss
    after the step is that of the next batch, which saves the paper's second forward pass on the same batch.

    Args:
        tasks: names, in the order in which losses come.
        lr: of the logits; the paper's is 0.025.
        weight_decay: of the logits.

    Raises:
        ParameterError: a rate that is not above 0, or a negative decay.
    """

    logits: Tensor
    mean: Tensor
    square: Tensor
    steps: Tensor
    last: Tensor

    def __init__(self, tasks: Sequence[str], lr: float = 0.025, weight_decay: float = 0.001) -> None:
        super().__init__(tasks)
        check_parameters(
            ("lr", lr, 0 < lr < inf, "above 0"),
            ("weight_decay", weight_decay, 0 <= weight_decay < inf, "0 or more"),
        )
        self.lr = lr
        self.weight_decay = weight_decay
        zeros = torch.zeros(len(self.tasks))
        self.register_buffer("logits", zeros)
        self.register_buffer("mean", zeros.clone())  # running mean of the slopes, and of their squares
        self.register_buffer("square", zeros.clone())
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("last", torch.full_like(zeros, torch.nan))  # losses of the last step

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Move the logits by how the losses fell in the last step, and return the weights (T,)."""
        losses = losses.clamp_min(_SMALLEST)
        if not self.last.isnan().all():
            falls = torch.where(labelled, self.last.log() - losses.log(), 0.0)
            self._move_logits(falls.nan_to_num())  # 0 for a task that had no label in the last step
        self.last = torch.where(labelled, losses, torch.nan)
        shares = _softmax_over(labelled, self.logits) / losses
        return labelled.sum() * shares / shares.sum().clamp_min(_SMALLEST)

    def _move_logits(self, falls: Tensor) -> None:
        """Take an Adam step on the logits for the falls (T,) of the losses' logarithms."""
        shares = torch.softmax(self.logits, dim=0)
        slope = shares * (falls - (shares * falls).sum()) + self.weight_decay * self.logits
        self.steps = self.steps + 1
        self.mean = 0.9 * self.mean + 0.1 * slope
        self.square = 0.999 * self.square + 0.001 * slope**2
        mean = self.mean / (1 - 0.9**self.steps)
        square = self.square / (1 - 0.999**self.steps)
        self.logits = self.logits - self.lr * mean / (square.sqrt() + 1e-8)


def _softmax_over(labelled: Tensor, logits: Tensor) -> Tensor:
    """Return the softmax (T,) over the tasks with labels, 0 for the others; zeros where no task has any."""
    shares = torch.softmax(logits.masked_fill(~labelled, -torch.inf), dim=0)
    return shares.nan_to_num()
