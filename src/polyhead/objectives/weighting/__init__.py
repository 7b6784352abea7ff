"""Weighting: the tasks' losses -> one loss to minimize. Knows nothing about models, batches or trainers.

Shapes: T tasks, N numbers in a gradient. All state lives in buffers and parameters, so that a checkpoint restores it.
"""

from polyhead.objectives.weighting.adaptive import DynamicAverage, Famo, InverseLossSoftmax
from polyhead.objectives.weighting.aggregation import Aggregation, surrogate_loss
from polyhead.objectives.weighting.base import Weighting, present
from polyhead.objectives.weighting.constant import Equal, Fixed
from polyhead.objectives.weighting.learned import GradNorm, Uncertainty
from polyhead.objectives.weighting.scalarized import Scalarized

__all__ = [
    "Aggregation",
    "DynamicAverage",
    "Equal",
    "Famo",
    "Fixed",
    "GradNorm",
    "InverseLossSoftmax",
    "Scalarized",
    "Uncertainty",
    "Weighting",
    "present",
    "surrogate_loss",
]
