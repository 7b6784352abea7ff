"""Logits -> losses -> one number to minimise: losses, gradient conflict, weighting."""

from polyhead.objectives.gradient_conflict import Conflict
from polyhead.objectives.losses import MultiTaskLoss, cross_entropy_per_task
from polyhead.objectives.pair_similarity import PairSimilarityLoss

__all__ = [
    "Conflict",
    "MultiTaskLoss",
    "PairSimilarityLoss",
    "cross_entropy_per_task",
]
