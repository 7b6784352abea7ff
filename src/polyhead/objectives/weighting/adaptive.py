"""Weights that follow from how the losses go."""

from collections.abc import Sequence

import torch
from torch import Tensor

from polyhead.errors import UserError
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
        UserError: a temperature that is not above 0.
    """

    sums: Tensor
    counts: Tensor
    last: Tensor
    before_last: Tensor

    def __init__(self, tasks: Sequence[str], temperature: float) -> None:
        super().__init__(tasks)
        self.temperature = _above_zero("temperature", temperature)
        for name in ("sums", "counts"):
            self.register_buffer(name, torch.zeros(len(self.tasks)))
        for name in ("last", "before_last"):
            self.register_buffer(name, torch.full((len(self.tasks),), float("nan")))

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return this epoch's weights (T,)."""
        self.sums = self.sums + torch.where(labelled, losses, 0.0)
        self.counts = self.counts + labelled
        ratios = (self.last / self.before_last.clamp_min(_SMALLEST)).nan_to_num(1.0)
        return len(losses) * torch.softmax(ratios / self.temperature, dim=0)

    def end_epoch(self) -> None:
        """Take the epoch's mean losses; a task without labels keeps those it had."""
        seen = self.counts > 0
        self.before_last = torch.where(seen, self.last, self.before_last)
        self.last = torch.where(seen, self.sums / self.counts.clamp_min(1), self.last)
        self.sums, self.counts = torch.zeros_like(self.sums), torch.zeros_like(self.counts)


class InverseLossSoftmax(Weighting):
    r"""UW-SO, the softmax of inverse losses (Kirchdorfer et al. 2024, arXiv 2408.07985, equation 8).

    .. math:: w_t = T \operatorname{softmax}_t(1 / (\tau L_t))

    The weights that would be best for the uncertainty weighting of this batch, 1 over the loss, tamed by a softmax.

    Args:
        tasks: names, in the order in which losses come.
        temperature: tau; the larger, the more alike the weights. The paper searches it for each data set.

    Raises:
        UserError: a temperature that is not above 0.
    """

    def __init__(self, tasks: Sequence[str], temperature: float) -> None:
        super().__init__(tasks)
        self.temperature = _above_zero("temperature", temperature)

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return the weights (T,), shared among the tasks with labels."""
        inverse = 1 / (self.temperature * losses.clamp_min(_SMALLEST))
        weights = torch.softmax(inverse.masked_fill(~labelled, float("-inf")), dim=0).nan_to_num(0.0)
        return labelled.sum() * weights


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
        UserError: a rate that is not above 0, or a negative decay.
    """

    logits: Tensor
    mean: Tensor
    square: Tensor
    steps: Tensor
    last: Tensor

    def __init__(self, tasks: Sequence[str], lr: float, weight_decay: float) -> None:
        super().__init__(tasks)
        if weight_decay < 0:
            raise UserError(f"weighting.weight_decay: {weight_decay} given; it must be 0 or more")
        self.lr, self.weight_decay = _above_zero("lr", lr), weight_decay
        for name in ("logits", "mean", "square"):
            self.register_buffer(name, torch.zeros(len(self.tasks)))
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("last", torch.full((len(self.tasks),), float("nan")))

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Move the logits by what the last step did, and return the weights (T,)."""
        losses = losses.clamp_min(_SMALLEST)
        if not self.last.isnan().all():
            self._move(torch.where(labelled, self.last.log() - losses.log(), 0.0).nan_to_num(0.0))
        self.last = torch.where(labelled, losses, float("nan"))
        shares = torch.softmax(self.logits.masked_fill(~labelled, float("-inf")), dim=0).nan_to_num(0.0) / losses
        return labelled.sum() * shares / shares.sum().clamp_min(_SMALLEST)

    def _move(self, falls: Tensor) -> None:
        """Take an Adam step on the logits for the falls (T,) of the losses' logarithms."""
        shares = torch.softmax(self.logits, dim=0)
        slope = shares * (falls - (shares * falls).sum()) + self.weight_decay * self.logits
        self.steps = self.steps + 1
        self.mean = 0.9 * self.mean + 0.1 * slope
        self.square = 0.999 * self.square + 0.001 * slope**2
        unbiased = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.999**self.steps)
        self.logits = self.logits - self.lr * unbiased[0] / (unbiased[1].sqrt() + 1e-8)


def _above_zero(name: str, value: float) -> float:
    if value <= 0:
        raise UserError(f"weighting.{name}: {value} given; it must be above 0")
    return value
