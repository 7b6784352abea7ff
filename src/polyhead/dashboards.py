"""Dashboards: what TensorBoard shows beyond plain curves. Knows nothing about how the numbers came about."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from polyhead.training import MultiTaskTraining


class _Pictures(Callback):
    """Draws a picture for each task after every validation and after each test."""

    name: str

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the validation pictures."""
        self._draw(trainer, pl_module, "validation")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the pictures of the test set at hand."""
        self._draw(trainer, pl_module, getattr(pl_module, "test_set", "test"))

    def figure(self, task: str, metrics: dict[str, Any]) -> Figure:
        """Draw a task's picture."""
        raise NotImplementedError

    def _draw(self, trainer: L.Trainer, module: L.LightningModule, split: str) -> None:
        if not isinstance(module, MultiTaskTraining) or not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for task, metrics in module.results[split].items():
                    figure = self.figure(task, metrics)
                    logger.experiment.add_figure(f"{split}/{task}/{self.name}", figure, trainer.global_step)


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
        "before": f"as trained, error {metrics['calibration_error']:.3f}",
        "after": f"temperature {metrics['temperature']:.2f}, error {metrics['calibration_error_scaled']:.3f}",
    }
    for state, label in labels.items():
        bins = metrics["reliability"][state]
        rows = np.asarray(bins["rows"])
        confidence, accuracy = np.asarray(bins["confidence"])[rows > 0], np.asarray(bins["accuracy"])[rows > 0]
        axes.plot(confidence, accuracy, marker=".", label=label)
        axes.scatter(confidence, accuracy, s=300 * rows[rows > 0] / max(rows.sum(), 1), alpha=0.3)
    axes.set(xlabel="confidence", ylabel="accuracy", title=title, xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
    return figure


def confusion_figure(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix: counts as numbers, shares of each true class as colour."""
    matrix = np.asarray(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.7 * len(labels)  # inches
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    for (row, column), count in np.ndenumerate(matrix):
        shade = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=shade)
    return figure


def log_plan(trainer: L.Trainer, markdown: str) -> None:
    """Show the plan of freezing, a table in Markdown, among the texts."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            logger.experiment.add_text("freezing plan", markdown)


def log_choices(trainer: L.Trainer, choices: Mapping[str, Any]) -> None:
    """Hand a run's choices to its loggers before training."""
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(choices))


def log_outcome(trainer: L.Trainer, choices: Mapping[str, Any], outcome: Mapping[str, float]) -> None:
    """Write a run's choices with its final metrics, which TensorBoard's HPARAMS tab lists run by run.

    They lie in a folder of their own and announce no columns: TensorBoard then gathers the columns from all runs, where
    it would otherwise take those of whichever run came first, and lists no other scalar as a metric. Their names begin
    with ``final/``, so that no point of theirs lies among the curves.
    """
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            with SummaryWriter(Path(logger.log_dir) / "outcome") as writer:
                final = {f"final/{name}": value for name, value in outcome.items()}
                _, started, ended = hparams(dict(choices), final)  # type: ignore[no-untyped-call]
                for summary in (started, ended):
                    writer.file_writer.add_summary(summary)
                for name, value in final.items():
                    writer.add_scalar(name, value, trainer.global_step)


def log_layout(trainer: L.Trainer, tasks: Sequence[str]) -> None:
    """Lay out the CUSTOM SCALARS tab: each chart puts the tasks side by side."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            logger.experiment.add_custom_scalars(layout(tasks))


def layout(tasks: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return the charts by category: a title, and the scalars that its lines are, as expressions."""

    def chart(pattern: str) -> list[Any]:
        return ["Multiline", [f"^{pattern.format(task=re.escape(task))}$" for task in tasks]]

    return {
        "Tasks side by side": {
            "macro-F1 on validation": chart("validation/{task}/macro_f1"),
            "macro-F1 on training batches": chart("train/{task}/macro_f1"),
            "loss on validation (nats)": chart("validation/{task}/loss"),
            "loss on training batches (nats)": chart("train/{task}/loss"),
            "weight": chart("weights/{task}"),
        },
        "Optimization": {
            "learning rate by group": ["Multiline", ["lr-.*"]],
            "gradient norm by module": ["Multiline", ["gradients/.*"]],
            "conflict of the tasks' gradients": ["Multiline", ["conflict/.*"]],
        },
    }
