"""Metrics: how well a task's logits match its labels. Knows nothing about models, trainers or loggers.

Names are ``{split}/{task}/{metric}``. Shapes: B sentences, C classes.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from polyhead.tasks import MISSING, Task

Results = dict[str, dict[str, Any]]
"""Metrics of a split: ``{task: {metric: number}}``, with ``f1`` by class, and what :data:`PICTURES` show."""

PICTURES = ("confusion", "reliability")
"""Metrics that are no numbers but tables of them."""


class TaskMetrics(nn.Module):
    """Accuracy, macro F1, precision and recall, F1 by class, confusion matrix and mean loss of one task.

    Rows without a label are passed over. A macro average runs over the classes that occur in labels or predictions.
    A batch is only noted down; the metrics take many at a time, since each of their updates costs as much as the head's
    own work on a batch.
    """

    NOTED = 8192
    """Rows noted down before the metrics take them in."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        # The labels come out of our own table: checking their range again costs a pass over them every step.
        settings: dict[str, Any] = {
            "num_classes": len(task.labels),
            "ignore_index": MISSING,
            "validate_args": False,
        }
        self.metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(average="micro", **settings),
                "macro_f1": MulticlassF1Score(average="macro", **settings),
                "macro_precision": MulticlassPrecision(average="macro", **settings),
                "macro_recall": MulticlassRecall(average="macro", **settings),
                "f1": MulticlassF1Score(average="none", **settings),
                "confusion": MulticlassConfusionMatrix(**settings),
            }
        )
        self.loss = MeanMetric()
        self._noted: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self._rows = 0

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor, rows: Tensor) -> None:
        """Take in logits (B, C), labels (B,), and their mean ``loss`` () over the ``rows`` () that have a label."""
        self._noted.append((logits.argmax(dim=1), labels, loss, rows))
        self._rows += len(labels)
        if self._rows >= self.NOTED:
            self._take_in()

    def compute(self) -> dict[str, Any]:
        """Return the metrics as plain numbers and start anew."""
        self._take_in()
        values = {name: value.tolist() for name, value in self.metrics.compute().items()}
        values["f1"] = dict(zip(self.task.labels, values["f1"], strict=True))
        values["loss"] = self.loss.compute().item()
        self.metrics.reset()
        self.loss.reset()
        return values

    def _take_in(self) -> None:
        if self._noted:
            predictions, labels, losses, rows = zip(*self._noted, strict=True)
            self.metrics.update(torch.cat(predictions), torch.cat(labels))
            self.loss.update(torch.stack(losses), weight=torch.stack(rows))
            self._noted.clear()
            self._rows = 0


def scalars(split: str, results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Flatten a split's results for a logger, and add ``{split}/macro_f1``, the mean over the tasks measured."""
    flat: dict[str, float] = {}
    for task, metrics in results.items():
        for name, value in metrics.items():
            if name == "f1":
                flat |= {f"{split}/{task}/f1/{label}": score for label, score in value.items()}
            elif name not in PICTURES:
                flat[f"{split}/{task}/{name}"] = value
    if results:
        flat[f"{split}/macro_f1"] = sum(metrics["macro_f1"] for metrics in results.values()) / len(results)
    return flat
