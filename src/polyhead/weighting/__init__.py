"""Weighting: the tasks' losses -> one loss to minimise. Knows nothing about models, batches or trainers.

Shapes: T tasks, N numbers in a gradient. All state lives in buffers and parameters, so that a checkpoint restores it.
"""

from polyhead.weighting.adaptive import DynamicAverage, Famo, InverseLossSoftmax
from polyhead.weighting.aggregation import Aggregation, aggregated
from polyhead.weighting.base import Weighting, present
from polyhead.weighting.constant import Equal, Fixed
from polyhead.weighting.learned import GradNorm, Uncertainty
from polyhead.weighting.scalarized import Scalarized

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
    "aggregated",
    "present",
]
