"""Weights that are learned beside the model."""

from collections.abc import Sequence
from math import inf
from typing import ClassVar

import torch
from torch import Tensor, nn

from polyhead.errors import check_parameters
from polyhead.objectives.weighting.base import Weighting, present

_SMALLEST = 1e-8  # a loss or a norm below it counts as this
_LEAST_WEIGHT = 1e-3  # no task is given up


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

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        r"""Return :math:`e^{-s}` (T,)."""
        return torch.exp(-self.log_variances)

    def forward(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None = None) -> Tensor:
        """Combine losses (T,); see :meth:`Weighting.forward`."""
        return super().forward(losses, labelled, gradients) + present(self.log_variances / 2, labelled).sum()


class GradNorm(Weighting):
    r"""Weights that bring the tasks' gradients to like norms (Chen et al. 2018, arXiv 1711.02257, algorithm 1).

    .. math:: w_t \leftarrow w_t - \eta \frac{\partial}{\partial w_t} | w_t n_t - \bar n r_t^\alpha |

    where :math:`n_t` is the norm of task t's gradient, :math:`\bar n` the mean of :math:`w_t n_t`, and :math:`r_t` the
    task's loss over its first one, divided by the mean of these ratios. The weights are then scaled to the sum T. Two
    things differ from the paper: the gradient is taken at the shared embedding instead of the last shared weights,
    where it costs a head's backward pass alone, and the derivative is divided by the mean norm, so that :math:`\eta`
    has no unit.

    Args:
        tasks: names, in the order in which losses come.
        alpha: 0 wants equal norms; above it, tasks that have learned less get more.
        lr: eta.

    Raises:
        ParameterError: a negative alpha, or a rate that is not above 0.
    """

    needs_gradients: ClassVar[bool] = True
    first_losses: Tensor

    def __init__(self, tasks: Sequence[str], alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__(tasks)
        check_parameters(
            ("alpha", alpha, 0 <= alpha < inf, "0 or more"),
            ("lr", lr, 0 < lr < inf, "above 0"),
        )
        self.alpha = alpha
        self.lr = lr
        self.register_buffer("first_losses", torch.full((len(self.tasks),), torch.nan))

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Move the weights (T,) a step and return them; they stay where nothing shared is trained."""
        first_seen = labelled & self.first_losses.isnan()
        self.first_losses = torch.where(first_seen, losses, self.first_losses)
        if gradients is None or not labelled.any():
            return self.effective
        norms = gradients.norm(dim=1).clamp_min(_SMALLEST)[labelled]
        weighted = self.effective[labelled] * norms
        progress = losses[labelled].clamp_min(_SMALLEST) / self.first_losses[labelled].clamp_min(_SMALLEST)
        target = weighted.mean() * (progress / progress.mean()) ** self.alpha
        slope = torch.sign(weighted - target) * norms / norms.mean()
        weights = self.effective.clone()
        weights[labelled] -= self.lr * slope
        weights = weights.clamp_min(_LEAST_WEIGHT)
        return weights * len(weights) / weights.sum()

    def forward(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None = None) -> Tensor:
        """Combine losses (T,), and scale all weights, those of absent tasks too, to the sum T."""
        total = super().forward(losses, labelled, gradients)
        self.effective = self.effective * len(self.tasks) / self.effective.sum()
        return total
