"""Dashboards: what TensorBoard shows beyond plain curves. Knows nothing about how the numbers came about."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure

from polyhead.metrics import Results
from polyhead.training import MultiTaskTraining


class ConfusionMatrices(Callback):
    """Draws each task's confusion matrix after every validation and after the test."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the validation matrices."""
        self._draw(trainer, pl_module, "validation")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the test matrices."""
        self._draw(trainer, pl_module, "test")

    def _draw(self, trainer: L.Trainer, module: L.LightningModule, split: str) -> None:
        if not isinstance(module, MultiTaskTraining) or not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for name, figure in confusion_figures(module.results[split]).items():
                    logger.experiment.add_figure(f"{split}/{name}/confusion", figure, trainer.global_step)


def confusion_figures(results: Results) -> dict[str, Figure]:
    """Draw a confusion matrix for each task."""
    return {
        task: confusion_figure(metrics["confusion"], list(metrics["f1"]), title=task)
        for task, metrics in results.items()
    }


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
    """Write a run's choices with its final metrics, which TensorBoard's HPARAMS tab lists run by run."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(dict(choices), dict(outcome), step=trainer.global_step)
            logger.save()
