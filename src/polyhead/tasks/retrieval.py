"""Retrieval: how far up the own second text of each pair stands among all. Knows nothing about tasks.

Shapes: P pairs, H units of an embedding.
"""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

_CHUNK = 1024  # pairs whose cosines to all second texts are in memory together


class Retrieval(Metric):
    """A score of a search, over all pairs that are added.

    Args:
        measure: ``mrr``, the mean reciprocal rank, or ``accuracy_at_1``.

    Attributes:
        limit: pairs that are kept, at most: those that are added first; None keeps all.
    """

    full_state_update = False
    pairs: list[Tensor]

    def __init__(self, measure: str) -> None:
        super().__init__()
        self.measure = measure
        self.limit: int | None = None
        self.add_state("pairs", [], dist_reduce_fx="cat")

    def update(self, estimates: Tensor, targets: Tensor) -> None:
        """Add pairs, by the directions of both sides (P, 2 H)."""
        kept = sum(map(len, self.pairs))
        self.pairs.append(estimates if self.limit is None else estimates[: max(0, self.limit - kept)])

    def compute(self) -> Tensor:
        """Return the score ()."""
        ranks = reciprocal_ranks(dim_zero_cat(self.pairs))
        return ranks.mean() if self.measure == "mrr" else (ranks == 1).float().mean()

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.measure))


def reciprocal_ranks(pairs: Tensor) -> Tensor:
    """Return one over the rank of each pair's own second text among all second texts, by cosine (P,).

    Equal cosines share the mean of their ranks, so that an embedding in which all texts are alike finds nothing.

    >>> reciprocal_ranks(torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]])).tolist()
    [0.6666666865348816, 0.6666666865348816]

    Args:
        pairs: directions of both sides (P, 2 H).
    """
    first, second = pairs.chunk(2, dim=1)
    found = [pairs.new_zeros(0)]
    for start in range(0, len(pairs), _CHUNK):
        cosines = first[start : start + _CHUNK] @ second.T  # (P of the chunk, P)
        own: Any = cosines.diagonal(offset=start)[:, None]
        ahead, equal = (cosines > own).sum(dim=1), (cosines == own).sum(dim=1)  # the own one is equal to itself
        found.append(1 / (ahead + (equal + 1) / 2))
    return torch.cat(found)
