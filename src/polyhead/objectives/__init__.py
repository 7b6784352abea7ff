"""Logits -> losses -> one number to minimise: losses, gradient conflict, weighting."""

from polyhead.objectives.distillation import Distillation
from polyhead.objectives.embedding_loss import CosineDistance, EmbeddingLoss, SimilarityGap
from polyhead.objectives.gradient_conflict import Conflict
from polyhead.objectives.losses import MultiTaskLoss, cross_entropy_per_task
from polyhead.objectives.pair_similarity import PairSimilarityLoss

__all__ = [
    "Conflict",
    "CosineDistance",
    "Distillation",
    "EmbeddingLoss",
    "MultiTaskLoss",
    "PairSimilarityLoss",
    "SimilarityGap",
    "cross_entropy_per_task",
]
