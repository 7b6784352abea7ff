"""Fits: what validation fits of a task, and what is measured with it. Knows nothing about models.

Shapes: B sentences of a batch, W logits, C classes.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor
from torchmetrics import Metric

from polyhead.tasks import Task

_HOMES = {"temperature": ("calibration", "Calibration"), "thresholds": ("thresholds", "Thresholds")}
"""What a kind says that it fits -> the module here, and the class in it."""


class Fit(Metric):
    """Something that validation fits for one task; test rows use it. It is saved with the weights.

    ``compute`` returns the metrics that depend on it.
    """

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add the logits (B, W) and targets (B,) or (B, C) of the rows that have a label."""
        raise NotImplementedError

    def fit(self) -> None:
        """Fit it to the rows so far, of all processes together."""
        raise NotImplementedError

    @property
    def values(self) -> dict[str, Any]:
        """What was fitted, as kinds take it."""
        raise NotImplementedError

    def adopt(self, values: Mapping[str, Any]) -> None:
        """Take what was fitted before."""
        raise NotImplementedError

    def kept(self) -> dict[str, Any]:
        """Return what results of validation keep beside the metrics."""
        return {}


def make_fit(task: Task) -> Fit | None:
    """Return what validation fits for a task; None where its kind has nothing to fit."""
    if not task.kind.fits:
        return None
    module, name = _HOMES[task.kind.fits]
    fit: Fit = getattr(import_module(f"polyhead.training.{module}"), name)(task)
    return fit
