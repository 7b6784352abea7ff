"""Weights that are the slopes of a function of the losses."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polyhead.objectives.weighting.base import Weighting
from polyhead.objectives.weighting.torchjd import NO_SETTINGS, torchjd_rule

_SMALLEST = 1e-8  # added to losses, because some functions have no slope at 0


class Scalarized(Weighting):
    r"""A scalarizer of TorchJD on the losses of the tasks with labels.

    .. math:: w_t = n \, \partial S / \partial L_t

    where S is the scalarizer, and n the number of tasks with labels, because scalarizers give means. To follow these
    slopes is to minimize S.

    - ``GeometricMean``: GLS (Chennupati et al. 2019), :math:`S = \prod_t L_t^{1/T}`; scales of losses do not matter.
    - ``Random``: RLW (Lin et al. 2021, arXiv 2111.10603), weights :math:`\operatorname{softmax}(x)` of normal x drawn
      in every step.
    - ``STCH``: smooth Tchebycheff (Lin et al. 2024, arXiv 2402.19078), a smooth maximum of the losses.

    Args:
        tasks: names, in the order in which losses come.
        scalarizer: name of a stateless class in ``torchjd.scalarization``.
        settings: its arguments.

    Raises:
        UserError: TorchJD is not installed, or has no such rule; see
            :func:`polyhead.objectives.weighting.torchjd.torchjd_rule`.
    """

    def __init__(self, tasks: Sequence[str], scalarizer: str, settings: Mapping[str, Any] = NO_SETTINGS) -> None:
        super().__init__(tasks)
        self.scalarizer = torchjd_rule("scalarizer", scalarizer, settings, len(self.tasks))

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return the slopes (T,), 0 for tasks without labels."""
        weights = torch.zeros_like(losses)
        if labelled.any():
            with torch.enable_grad():
                point = (losses[labelled] + _SMALLEST).requires_grad_()
                (slopes,) = torch.autograd.grad(self.scalarizer(point), point)
            weights[labelled] = slopes * labelled.sum()
        return weights
