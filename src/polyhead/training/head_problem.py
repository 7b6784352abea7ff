"""Head problem: the linear heads of one task that are to be found. Knows nothing about how they are found.

Shapes: N rows, n rows of a chunk, W units of an embedding, C logits of a task, F fits of a task that are made at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polyhead.tasks import is_labelled

RowLoss = Callable[[Tensor, Tensor], Tensor]
"""Logits (n, C) and class indices (n,) -> the loss of each row (n,), 0 for one without a label."""


@dataclass(frozen=True)
class HeadProblem:
    """The heads of one task that are to be found over the same rows.

    Args:
        labels: target of each row: of single labels the class index (N,), ``MISSING`` where there is none.
        classes: logits C of the head, of single labels one for each class.
        loss: convex in the logits.
        penalties: of each fit (F,), above 0; on half the squared norm of the weights, beside the sum of the losses.
        weights: of the rows in each fit (F, N), 0 or more; None is 1 each.
        quadratic: the loss is a factor times the squared error of the one logit.
    """

    labels: Tensor
    classes: int
    loss: RowLoss
    penalties: Sequence[float]
    weights: Tensor | None = None
    quadratic: bool = False

    @cached_property
    def totals(self) -> Tensor:
        """Sum of the weights of the labelled rows of each fit (F,), at least the smallest positive number."""
        labelled: Tensor = is_labelled(self.labels)
        if self.weights is None:
            return labelled.sum().double().clamp(min=1).expand(len(self.penalties))
        return (self.weights.double() * labelled).sum(dim=1).clamp(min=torch.finfo(torch.double).tiny)


@dataclass(frozen=True)
class LinearHeads:
    """Heads of one task: logits are ``features @ weight.T + bias``.

    Args:
        weight: (F, C, W).
        bias: (F, C); their mean over the classes is 0.
    """

    weight: Tensor
    bias: Tensor
