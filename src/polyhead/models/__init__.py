"""Encoder, pooling and heads; where weights come from; the names of their parts."""

from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pooling import POOLINGS, pool
from polyhead.models.pretrained import PretrainedEncoder

__all__ = [
    "POOLINGS",
    "Encoder",
    "MultiTaskModel",
    "PretrainedEncoder",
    "pool",
]
