"""The tasks' losses -> one loss to minimize: a file per family of rules, whose state is in buffers and parameters."""

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
