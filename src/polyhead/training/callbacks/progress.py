"""Progress: the bar of a training run in one line. Knows nothing about what is trained."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from rich.progress import BarColumn

_BAR_WIDTH = 10
"""Columns of the bar itself; the texts beside it may then take 70 of the 80 that a terminal has."""


class ProgressBar(RichProgressBar):
    """Lightning's progress bar, narrow enough for a line of 80 columns however many epochs and batches there are."""

    def configure_columns(self, trainer: L.Trainer) -> list[Any]:
        """Return Lightning's columns with a bar of a fixed width; its own shrinks only until the texts wrap, too."""
        columns = super().configure_columns(trainer)
        for column in columns:
            if isinstance(column, BarColumn):
                column.bar_width = _BAR_WIDTH
        return columns
