"""Pictures: each task's metrics drawn. Knows nothing about how the numbers are computed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray

from polyhead.training.loggers import log_figure, log_table, takes_figures
from polyhead.training.module import MultiTaskTraining

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDEST = 16.0  # inches of a confusion matrix, 1,600 pixels
_NAMED = 100  # classes whose names can be read in it
_COUNTED = 24  # classes whose counts can be read in it, too
_LONGEST = 28  # characters of a class name
_PAIRS = 20  # of classes in the table of the confused ones
_TITLES = ["true", "predicted", "sentences", "share of the true class"]  # of that table


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

    def figure(self, task: str, metrics: dict[str, Any]) -> "Figure":
        """Draw a task's picture."""
        raise NotImplementedError

    def tables(self, task: str, metrics: dict[str, Any]) -> dict[str, list[list[str]]]:
        """Lay out tables to stand beside the picture: their rows by name, the titles first."""
        return {}

    def _draw(self, trainer: L.Trainer, module: MultiTaskTraining, split: str) -> None:
        if takes_figures(trainer):
            for task, metrics in module.results[split].items():
                if self.name not in metrics:  # the kind of the task has no such picture
                    continue
                log_figure(trainer, f"{split}/{task}/{self.name}", self.figure(task, metrics))
                for name, (titles, *rows) in self.tables(task, metrics).items():
                    log_table(trainer, f"{split}/{task}/{name}", titles, rows)


class ConfusionMatrices(_Pictures):
    """Draws each task's confusion matrix."""

    name = "confusion"

    def figure(self, task: str, metrics: dict[str, Any]) -> "Figure":
        """Draw a task's confusion matrix."""
        return confusion_figure(metrics["confusion"], list(metrics["f1"]), title=task)

    def tables(self, task: str, metrics: dict[str, Any]) -> dict[str, list[list[str]]]:
        """Lay out the pairs of classes that are confused most, where any are."""
        rows = confused_pairs(metrics["confusion"], list(metrics["f1"]))
        return {"confused": [_TITLES, *rows]} if rows else {}


class ReliabilityDiagrams(_Pictures):
    """Draws how often each task is right against how sure it is."""

    name = "reliability"

    def figure(self, task: str, metrics: dict[str, Any]) -> "Figure":
        """Draw a task's reliability diagram."""
        return reliability_figure(metrics, title=task)


def _figure(width: float, height: float) -> "Figure":
    """Return an empty figure, of so many inches; what draws is imported for the first one."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def reliability_figure(metrics: Mapping[str, Any], title: str) -> "Figure":
    """Draw accuracy over confidence, before and after the temperature; on the diagonal both agree."""
    figure = _figure(4.5, 4.5)
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


def confusion_figure(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> "Figure":
    """Draw a confusion matrix: shares of each true class as color, and where there is room the counts.

    Of more than ``_NAMED`` classes it has those with the most mistakes.
    """
    matrix = np.asarray(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    if len(labels) > _NAMED:
        title = f"{title}: the {_NAMED} classes with the most mistakes, of {len(labels)}"
        drawn = _most_mistaken(matrix)
        matrix, shares, labels = matrix[np.ix_(drawn, drawn)], shares[np.ix_(drawn, drawn)], [labels[i] for i in drawn]
    side = min(2.2 + 0.7 * len(labels), _WIDEST)  # inches
    font = min(10.0, 0.7 * 72 * (side - 2.2) / len(labels))  # points, of the 72 of an inch
    figure = _figure(side, side)
    axes = figure.add_subplot()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true", title=title)
    names = [label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…" for label in labels]
    # A $ in a label is a $ and begins no formula.
    rotation = 45 if len(labels) <= _COUNTED else 90
    axes.set_xticks(range(len(labels)), names, rotation=rotation, ha="right", parse_math=False, fontsize=font)
    axes.set_yticks(range(len(labels)), names, parse_math=False, fontsize=font)
    for (row, column), count in np.ndenumerate(matrix) if len(labels) <= _COUNTED else ():
        shade = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=shade)
    return figure


def _most_mistaken(matrix: NDArray[Any]) -> list[int]:
    """Return the ``_NAMED`` classes with the most mistakes, true or predicted, in their order."""
    mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return sorted(np.argsort(-mistakes, kind="stable")[:_NAMED].tolist())


def confused_pairs(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> list[list[str]]:
    """List the pairs of classes that are confused most: true, predicted, sentences, share of the true class."""
    matrix = np.asarray(counts)
    wrong = matrix - np.diag(matrix.diagonal())
    totals = matrix.sum(axis=1)
    rows = []
    for index in np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]:
        true, predicted = divmod(int(index), len(labels))
        count = int(wrong[true, predicted])
        if count:
            rows.append([labels[true], labels[predicted], str(count), f"{count / totals[true]:.0%}"])
    return rows
