"""Calibration: how far a task's probabilities agree with how often it is right. Knows nothing about models.

Shapes: N labelled sentences, B sentences of a batch, C classes.
"""

from collections.abc import Mapping
from math import exp, log
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.utilities.data import dim_zero_cat

from polyhead.tasks import MISSING, Task
from polyhead.training.fits import Fit
from polyhead.training.validation_scores import ValidationScores

BINS = 15
"""Bins of confidence, as Guo et al. 2017 take them."""

_STEPS = 100  # of Fisher scoring; it needs a handful
_TOLERANCE = 1e-9  # of the last step, in the logarithm of the temperature
_LARGEST_STEP = log(2)  # of the logarithm: far from the minimum the curvature can be next to nothing


class Calibration(Fit):
    """Expected calibration error of one task, before and after the temperature that fits its validation rows.

    The temperature T divides the logits (Guo et al. 2017, "On Calibration of Modern Neural Networks"); see
    :func:`fit_temperature`. It changes no prediction. It is saved with the weights; test rows use it.
    """

    full_state_update = False
    temperature: Tensor
    logits: list[Tensor]
    labels: list[Tensor]

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.classes = len(task.labels)
        self.register_buffer("temperature", torch.ones(()))
        self.add_state("logits", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add the logits (B, C) and labels (B,) of the rows that have a label."""
        labelled = labels != MISSING
        self.logits.append(logits[labelled].float())
        self.labels.append(labels[labelled])

    def compute(self) -> dict[str, Any]:
        """Return the error before (``ece``) and after the temperature (``ece_scaled``), and reliability diagrams."""
        logits, labels = dim_zero_cat(self.logits), dim_zero_cat(self.labels)
        before = logits.softmax(dim=1)
        after = (logits / self.temperature).softmax(dim=1)
        return {
            "ece": self._ece(before, labels),
            "ece_scaled": self._ece(after, labels),
            "temperature": self.temperature.item(),
            "reliability": {"before": reliability(before, labels), "after": reliability(after, labels)},
        }

    @property
    def values(self) -> dict[str, Any]:
        """The temperature."""
        return {"temperature": self.temperature.item()}

    def adopt(self, values: Mapping[str, Any]) -> None:
        """Take a temperature that was fitted before."""
        self.temperature.fill_(values["temperature"])

    def kept(self) -> dict[str, Any]:
        """Return :meth:`scores` under the name that results have for them."""
        return {"scores": self.scores()}

    def scores(self) -> dict[str, Any] | None:
        """Return the :class:`ValidationScores` of the rows so far, of all processes together; None without a row."""
        with self.sync_context():
            logits, labels = dim_zero_cat(self.logits), dim_zero_cat(self.labels)
            if not len(labels):
                return None
            probabilities = (logits / self.temperature).softmax(dim=1)
            return ValidationScores.of(probabilities.cpu().numpy(), labels.cpu().numpy()).plain()

    def fit(self) -> None:
        """Set the temperature to the one that fits the rows so far, of all processes together."""
        with self.sync_context():
            logits, labels = dim_zero_cat(self.logits), dim_zero_cat(self.labels)
            if len(labels):
                self.temperature.fill_(fit_temperature(logits, labels))

    def _ece(self, probabilities: Tensor, labels: Tensor) -> float:
        return multiclass_calibration_error(probabilities, labels, self.classes, BINS, validate_args=False).item()


def fit_temperature(logits: Tensor, labels: Tensor, spread: float = log(2)) -> float:
    r"""Return the most probable temperature, given the rows and how far temperatures lie from 1 before any is seen.

    .. math:: T = \operatorname{argmin} \sum_n CE_n(T) + \frac{(\log T)^2}{2 \, spread^2}

    Guo et al. 2017 minimise the first term alone. Where all rows are predicted well that has no minimum: T falls to 0
    and every probability is 1, however few the rows. The second is the prior of a temperature whose logarithm has that
    spread around 0: by default it is within a factor of 2 of 1 in two cases of three, as most of theirs are, and in
    19 of 20 within one of 4. It outweighs a few rows, and many rows outweigh it.

    >>> all_right = torch.tensor([[4.0, 0.0]])
    >>> [round(fit_temperature(all_right.repeat(rows, 1), torch.zeros(rows).long()), 2) for rows in (0, 5, 500, 50_000)]
    [1.0, 0.89, 0.5, 0.32]

    Args:
        logits: (N, C).
        labels: class index of each row (N,).
        spread: standard deviation of the logarithm of the temperature before any row is seen.
    """
    logits, labels = logits.cpu().double(), labels.cpu()  # some accelerators have no double precision
    truth = logits.gather(1, labels[:, None]).squeeze(1)  # (N,)
    precision = 1 / spread**2
    value = 0.0  # the logarithm of the temperature
    for _ in range(_STEPS):
        inverse = exp(-value)
        probabilities = (inverse * logits).softmax(dim=1)
        mean = (probabilities * logits).sum(dim=1)  # (N,)
        slope = precision * value - inverse * (mean - truth).sum().item()
        information = inverse**2 * ((probabilities * logits**2).sum(dim=1) - mean**2).sum().item()
        # Near the minimum the two terms of the slope are equal, and the curvature grows with a positive value.
        curvature = information + precision * (1 + max(value, 0.0))
        step = min(max(slope / curvature, -_LARGEST_STEP), _LARGEST_STEP)
        value -= step
        if abs(step) < _TOLERANCE:
            break
    return exp(value)


def reliability(probabilities: Tensor, labels: Tensor) -> dict[str, list[float]]:
    """Sort rows into bins by the probability of the predicted class.

    Args:
        probabilities: (N, C).
        labels: class index of each row (N,).

    Returns:
        For each bin its ``rows``, and their mean ``confidence`` and ``accuracy``, 0 where there is no row.
    """
    confidence, predictions = probabilities.max(dim=1)
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1  # a bin has its upper edge
    rows = torch.bincount(bins, minlength=BINS)
    hits = predictions == labels
    sum_of_confidence = torch.bincount(bins, weights=confidence.double(), minlength=BINS)
    sum_of_hits = torch.bincount(bins, weights=hits.double(), minlength=BINS)
    return {
        "rows": rows.tolist(),
        "confidence": (sum_of_confidence / rows.clamp(min=1)).tolist(),
        "accuracy": (sum_of_hits / rows.clamp(min=1)).tolist(),
    }
