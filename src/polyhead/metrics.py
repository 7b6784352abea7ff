"""Metrics: how well a task's logits match its labels. Knows nothing about models, trainers or loggers.

Names are ``{split}/{task}/{metric}``. Shapes: B sentences, C classes.
"""

from typing import Any

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
"""Metrics of a split: ``{task: {metric: number}}``, with ``f1`` by class and ``confusion`` as nested lists."""


class TaskMetrics(nn.Module):
    """Accuracy, macro F1, precision and recall, F1 by class, confusion matrix and mean loss of one task.

    Rows without a label are passed over. A macro average runs over the classes that occur in labels or predictions.
    """

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

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor, rows: Tensor) -> None:
        """Take in logits (B, C), labels (B,), and their mean ``loss`` () over the ``rows`` () that have a label."""
        self.metrics.update(logits, labels)
        self.loss.update(loss, weight=rows)

    def compute(self) -> dict[str, Any]:
        """Return the metrics as plain numbers and start anew."""
        values = {name: value.tolist() for name, value in self.metrics.compute().items()}
        values["f1"] = dict(zip(self.task.labels, values["f1"], strict=True))
        values["loss"] = self.loss.compute().item()
        self.metrics.reset()
        self.loss.reset()
        return values


def scalars(split: str, results: Results) -> dict[str, float]:
    """Flatten a split's results for a logger, and add ``{split}/macro_f1``, the mean over the tasks."""
    flat: dict[str, float] = {}
    for task, metrics in results.items():
        for name, value in metrics.items():
            if name == "f1":
                flat |= {f"{split}/{task}/f1/{label}": score for label, score in value.items()}
            elif name != "confusion":
                flat[f"{split}/{task}/{name}"] = value
    flat[f"{split}/macro_f1"] = sum(metrics["macro_f1"] for metrics in results.values()) / len(results)
    return flat
