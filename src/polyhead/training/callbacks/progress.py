"""Progress: the bar of a training run in one line. Knows nothing about what is trained."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from rich.progress import BarColumn

_BAR_WIDTH = 10
"""Columns of the bar itself; the other columns take up to 65 of the 80 that a terminal has at least."""


class ProgressBar(RichProgressBar):
    """Lightning's progress bar, narrow enough for a line of 80 columns."""

    def configure_columns(self, trainer: L.Trainer) -> list[Any]:
        """Return Lightning's columns with a shorter bar, whose own 40 columns would break the line."""
        columns = super().configure_columns(trainer)
        for column in columns:
            if isinstance(column, BarColumn):
                column.bar_width = _BAR_WIDTH
        return columns
