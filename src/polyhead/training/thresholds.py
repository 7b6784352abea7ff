"""Thresholds: how probable a label must be to be given, by label, fitted on validation. Knows nothing about models.

Shapes: N labelled sentences, B sentences of a batch, C labels.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import multilabel_f1_score
from torchmetrics.utilities.data import dim_zero_cat

from polyhead.tasks import Task, is_labelled
from polyhead.tasks.multi_label import UNFITTED
from polyhead.training.fits import Fit


class Thresholds(Fit):
    """Thresholds of one task, each the one with the best F1 of its label on the validation rows; and F1 with them."""

    full_state_update = False
    thresholds: Tensor
    probabilities: list[Tensor]
    labels: list[Tensor]

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.names = task.labels
        self.register_buffer("thresholds", torch.full((len(task.labels),), UNFITTED))
        self.add_state("probabilities", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add the logits (B, C) and targets (B, C) of the rows that have a label."""
        labelled = is_labelled(labels)
        self.probabilities.append(logits[labelled].float().sigmoid())
        self.labels.append(labels[labelled])

    def compute(self) -> dict[str, Any]:
        """Return micro and macro F1, and F1 by label, with the thresholds."""
        given = (dim_zero_cat(self.probabilities) >= self.thresholds).long()
        labels = dim_zero_cat(self.labels)

        def f1(average: Any) -> Any:
            return multilabel_f1_score(given, labels, len(self.names), average=average, validate_args=False).tolist()

        by_label = dict(zip(self.names, f1("none"), strict=True))
        return {"micro_f1": f1("micro"), "macro_f1": f1("macro"), "f1": by_label, **self.values}

    def fit(self) -> None:
        """Set the thresholds to those that fit the rows so far, of all processes together."""
        with self.sync_context():
            probabilities, labels = dim_zero_cat(self.probabilities), dim_zero_cat(self.labels)
            if len(labels):
                found = [best_threshold(*columns) for columns in zip(probabilities.T, labels.T, strict=True)]
                self.thresholds.copy_(torch.tensor(found))

    @property
    def values(self) -> dict[str, Any]:
        """The thresholds."""
        return {"thresholds": self.thresholds.tolist()}

    def adopt(self, values: Mapping[str, Any]) -> None:
        """Take thresholds that were fitted before."""
        self.thresholds.copy_(torch.tensor(values["thresholds"]))


def best_threshold(probabilities: Tensor, labels: Tensor) -> float:
    """Return the threshold with the best F1; of equal ones that which gives most labels.

    It lies in the middle between the probabilities around it. Without any row that has the label it is a half.

    >>> best_threshold(torch.tensor([0.75, 0.5, 0.25]), torch.tensor([1, 0, 0]))
    0.625

    Args:
        probabilities: of the label (N,).
        labels: whether a row has it, 0 or 1 (N,).
    """
    if not labels.any():
        return UNFITTED
    ordered, order = probabilities.sort(descending=True, stable=True)
    hits = labels[order].cumsum(0)  # (N,)
    given = torch.arange(1, len(labels) + 1, device=labels.device)
    scores = 2 * hits / (given + hits[-1])
    below = torch.cat([ordered[1:], ordered.new_full((1,), -1.0)])
    scores = scores.where(ordered > below, -1.0)  # equal ones are given together
    last = int(torch.nonzero(scores == scores.max())[-1])
    return float((ordered[last] + below[last].clamp(min=0)) / 2)
