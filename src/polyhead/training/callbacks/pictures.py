"""Pictures: each task's metrics drawn. Knows nothing about how the numbers are computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure

from polyhead.training.loggers import log_figure
from polyhead.training.module import MultiTaskTraining

_NAMED = 60  # classes whose names and counts can be read in a confusion matrix


class _Pictures(Callback):
    """Draws a picture for each task after every validation and after each test."""

    name: str

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the validation pictures."""
        if isinstance(pl_module, MultiTaskTraining):
            self._draw(trainer, pl_module, "validation")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the pictures of the test set that was evaluated."""
        if isinstance(pl_module, MultiTaskTraining):
            self._draw(trainer, pl_module, pl_module.evaluated_split)

    def figure(self, task: str, metrics: dict[str, Any]) -> Figure:
        """Draw a task's picture."""
        raise NotImplementedError

    def _draw(self, trainer: L.Trainer, module: MultiTaskTraining, split: str) -> None:
        if trainer.is_global_zero and trainer.loggers:
            for task, metrics in module.results[split].items():
                log_figure(trainer, f"{split}/{task}/{self.name}", self.figure(task, metrics))


class ConfusionMatrices(_Pictures):
    """Draws each task's confusion matrix."""

    name = "confusion"

    def figure(self, task: str, metrics: dict[str, Any]) -> Figure:
        """Draw a task's confusion matrix."""
        return confusion_figure(metrics["confusion"], list(metrics["f1"]), title=task)


class ReliabilityDiagrams(_Pictures):
    """Draws how often each task is right against how sure it is."""

    name = "reliability"

    def figure(self, task: str, metrics: dict[str, Any]) -> Figure:
        """Draw a task's reliability diagram."""
        return reliability_figure(metrics, title=task)


def reliability_figure(metrics: Mapping[str, Any], title: str) -> Figure:
    """Draw accuracy over confidence, before and after the temperature; on the diagonal both agree."""
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")  # inches
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    labels = {
        "before": f"as trained, error {metrics['ece']:.3f}",
        "after": f"temperature {metrics['temperature']:.2f}, error {metrics['ece_scaled']:.3f}",
    }
    for state, label in labels.items():
        bins = metrics["reliability"][state]
        rows = np.asarray(bins["rows"])
        filled = rows > 0
        confidence = np.asarray(bins["confidence"])[filled]
        accuracy = np.asarray(bins["accuracy"])[filled]
        shares = rows[filled] / max(rows.sum(), 1)
        axes.plot(confidence, accuracy, marker=".", label=label)
        axes.scatter(confidence, accuracy, s=300 * shares, alpha=0.3)
    axes.set(xlabel="confidence", ylabel="accuracy", title=title, xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
    return figure


def confusion_figure(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix: shares of each true class as color; up to ``_NAMED`` classes have names and counts."""
    matrix = np.asarray(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.7 * min(len(labels), _NAMED)  # inches; a picture of 700 classes would take 14 GB
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if len(labels) > _NAMED:
        return figure
    # A $ in a label is a $ and begins no formula.
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    for (row, column), count in np.ndenumerate(matrix):
        shade = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=shade)
    return figure
