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
"""Metrics of a split: ``{task: {metric: number}}``, with ``f1`` by class, and the tables of :data:`TABLES`."""

TABLES = ("confusion", "reliability", "scores")
"""Metrics that are tables of numbers."""


class TaskMetrics(nn.Module):
    """Accuracy, macro F1, precision and recall, F1 by class, confusion matrix and mean loss of one task.

    Rows without a label do not count. A macro average runs over the classes that occur in labels or predictions.
    An update only keeps the batch; the metrics are given many batches at a time, since each of their updates costs as
    much as the head's own work on a batch.
    """

    MOST_PENDING = 8192
    """Rows that are kept before the metrics are given them."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        # The labels come from our own table: checking their range again costs a pass over them in every step.
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
        self._pending: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self._pending_rows = 0

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor, rows: Tensor) -> None:
        """Add logits (B, C), labels (B,), and their mean ``loss`` () over the ``rows`` () that have a label."""
        self._pending.append((logits.argmax(dim=1), labels, loss[None], rows[None]))
        self._pending_rows += len(labels)
        if self._pending_rows >= self.MOST_PENDING:
            self._flush()

    def compute(self) -> dict[str, Any]:
        """Return the metrics as plain numbers, and reset them."""
        self._flush()
        values = {name: value.tolist() for name, value in self.metrics.compute().items()}
        values["f1"] = dict(zip(self.task.labels, values["f1"], strict=True))
        values["loss"] = self.loss.compute().item()
        self.metrics.reset()
        self.loss.reset()
        return values

    def progress(self) -> dict[str, Any]:
        """Return all that was added since the last :meth:`compute`, as tensors in memory, for :meth:`resume`."""
        progress: dict[str, Any] = {name: _on_cpu(metric.metric_state) for name, metric in self.metrics.items()}
        progress["loss"] = _on_cpu(self.loss.metric_state)
        if self._pending:
            progress["pending"] = [part.cpu() for part in self._joined_pending()]
        return progress

    def resume(self, progress: Mapping[str, Any]) -> None:
        """Take over what another instance had been given; it goes on to the very same numbers."""
        for name, metric in (*self.metrics.items(), ("loss", self.loss)):
            for state, value in progress[name].items():
                setattr(metric, state, value.to(metric.device))
            metric._update_count = 1  # or computing warns that nothing was added
        if pending := progress.get("pending"):
            predictions, labels, losses, rows = (part.to(self.loss.device) for part in pending)
            self._pending = [(predictions, labels, losses, rows)]
            self._pending_rows = len(labels)

    def _joined_pending(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        predictions, labels, losses, rows = map(torch.cat, zip(*self._pending, strict=True))
        return predictions, labels, losses, rows

    def _flush(self) -> None:
        if self._pending:
            predictions, labels, losses, rows = self._joined_pending()
            self.metrics.update(predictions, labels)
            self.loss.update(losses, weight=rows)
            self._pending.clear()
            self._pending_rows = 0


def _on_cpu(state: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in state.items()}


def scalars(split: str, results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Flatten a split's results for a logger, and add ``{split}/macro_f1``, the mean over the tasks measured."""
    flat: dict[str, float] = {}
    for task, metrics in results.items():
        for name, value in metrics.items():
            if name == "f1":
                flat |= {f"{split}/{task}/f1/{label}": score for label, score in value.items()}
            elif name not in TABLES:
                flat[f"{split}/{task}/{name}"] = value
    if results:
        flat[f"{split}/macro_f1"] = sum(metrics["macro_f1"] for metrics in results.values()) / len(results)
    return flat
