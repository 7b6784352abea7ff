"""The base of all weightings: losses -> one loss. Knows nothing about models, batches or trainers.

Shapes: T tasks, N numbers in a gradient.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from polyhead.objectives.made_with import RecordsArguments


class Weighting(RecordsArguments, nn.Module, ABC):
    """A rule that combines the losses of the tasks (T,) into one loss ().

    A task without a labelled row in the batch has loss 0 and ``labelled`` False; it must neither count as solved nor
    move the weights. Where a method leaves the sum of the weights open, they average 1 over the labelled tasks, as
    those of the plain sum do.

    Args:
        tasks: names, in the order in which losses come.

    Attributes:
        needs_gradients: whether :meth:`weigh` uses each task's gradient at the shared embedding.
    """

    needs_gradients: ClassVar[bool] = False
    effective: Tensor

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.register_buffer("effective", torch.ones(len(self.tasks)))

    @abstractmethod
    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return the factor (T,) on each task's loss in this step.

        Args:
            losses: detached (T,), in nats.
            labelled: whether the batch has a label for the task (T,).
            gradients: of each task's loss at the shared embedding (T, N), if ``needs_gradients`` and anything shared
                is trained.
        """

    def forward(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None = None) -> Tensor:
        """Combine losses (T,) in nats; see :meth:`weigh` for the arguments."""
        weights = self.weigh(losses.detach(), labelled, gradients)
        self.effective = torch.where(labelled, weights.detach(), self.effective)
        weighted = present(weights * losses, labelled)
        return weighted.sum()

    def weights(self) -> Tensor:
        """Return the factor (T,) that each task's loss had when it last had labels."""
        return self.effective

    def end_epoch(self) -> None:
        """Do what the rule does at the end of an epoch; most do nothing."""


def present(terms: Tensor, labelled: Tensor) -> Tensor:
    """Replace the terms (T,) of tasks without a label by 0, which stays in the graph as DDP wants it."""
    return torch.where(labelled, terms, torch.zeros_like(terms))
