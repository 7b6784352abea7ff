"""Progress: the bar of a training run in one line, and a line per epoch. Knows nothing about what is trained."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from rich.progress import BarColumn

from polyhead.tasks import KINDS

_BAR_WIDTH = 10
"""Columns of the bar itself; the texts beside it may then take 70 of the 80 that a terminal has."""


_NAMED = 4
"""Tasks that have a number of their own in an epoch's line."""


_HEADLINES = sorted({kind.headline for kind in KINDS.values()}, key=lambda name: name != "macro_f1")
"""Headline scores, the last that a task has is its own: a task with a special one has macro-F1, too."""


class ProgressBar(RichProgressBar):
    """Lightning's progress bar, narrow enough for a line of 80 columns however many epochs and batches there are.

    A line stays of each epoch: what its validation gave.

    Args:
        metric: of the validation, shown first.
        refresh_rate: batches per update of the bar.
        leave: keep the bar of each epoch.
    """

    def __init__(self, metric: str = "validation/macro_f1", refresh_rate: int = 1, leave: bool = False) -> None:
        super().__init__(refresh_rate, leave)
        self.metric = metric

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the line of the epoch; the check before training and a validation by itself have none."""
        super().on_validation_end(trainer, pl_module)
        if trainer.state.fn != "fit" or trainer.sanity_checking or self.is_disabled or self.progress is None:
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        line = epoch_line(trainer.current_epoch, values, self.metric)
        self.progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def configure_columns(self, trainer: L.Trainer) -> list[Any]:
        """Return Lightning's columns with a bar of a fixed width; its own shrinks only until the texts wrap, too."""
        columns = super().configure_columns(trainer)
        for column in columns:
            if isinstance(column, BarColumn):
                column.bar_width = _BAR_WIDTH
        return columns


def epoch_line(epoch: int, values: Mapping[str, float], metric: str) -> str:
    """Say what an epoch's validation gave: the metric that the run goes by, and the headline score of each task.

    >>> epoch_line(0, {"validation/macro_f1": 0.5, "validation/mood/macro_f1": 0.5}, "validation/macro_f1")
    'epoch 0: validation/macro_f1 0.5000 (mood 0.5000)'
    """
    shown = f"epoch {epoch}: {metric} {values.get(metric, float('nan')):.4f}"
    parts = [name.split("/") for name in values]
    found = [(part[1], part[2]) for part in parts if len(part) == 3 and part[0] == "validation"]
    headlines = {task: name for name in _HEADLINES for task, found_name in found if found_name == name}
    if not 0 < len(headlines) <= _NAMED:
        return shown
    by_task = ", ".join(f"{task} {values[f'validation/{task}/{name}']:.4f}" for task, name in headlines.items())
    return f"{shown} ({by_task})"
