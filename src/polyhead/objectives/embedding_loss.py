"""Embedding losses: how far the embeddings of a batch are from those that the encoder gave at the start.

They keep what an encoder is good for beside its heads: search, nearest sentences, heads to come. Know nothing about
models or tasks. Shapes: B sentences of a batch, W units of an embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import inf
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from polyhead.errors import check_parameters


class EmbeddingLoss(nn.Module, ABC):
    """A term beside the losses of the tasks, which holds the embeddings to those of the encoder at the start.

    It is no task: it is added, times its weight, after the tasks' losses have been weighed.

    Args:
        weight: on the term, above 0.

    Raises:
        ParameterError: a weight out of range.

    Attributes:
        any_width: whether embeddings are compared with targets of another width.
    """

    any_width: ClassVar[bool] = False

    def __init__(self, weight: float) -> None:
        super().__init__()
        check_parameters(("weight", weight, 0 < weight < inf, "above 0; keep_embedding=off holds nothing"))
        self.weight = weight

    @abstractmethod
    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the distance () of embeddings (B, W) from their targets (B, W), 0 where they are equal."""

    def at_widths(self, embeddings: Tensor, targets: Tensor, dimensions: Sequence[int]) -> Tensor:
        """Return the mean distance () over the first units of embeddings, as many as each of ``dimensions`` says.

        Where widths may differ the targets stay whole: similarities at a small width are held to those of the whole.
        """
        sizes = dimensions or (embeddings.shape[1],)
        held = [targets if self.any_width else targets[:, :size] for size in sizes]
        distances = [self(embeddings[:, :size], some) for size, some in zip(sizes, held, strict=True)]
        return torch.stack(distances).mean()


class CosineDistance(EmbeddingLoss):
    r"""Each embedding keeps its direction.

    .. math:: \frac{1}{B} \sum_i 1 - \cos(x_i, t_i)
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the mean distance ()."""
        return (1 - cosine_similarity(embeddings, targets, dim=1)).mean()


class SimilarityGap(EmbeddingLoss):
    r"""The sentences of a batch keep their similarities to each other; the whole may turn.

    .. math:: \frac{1}{B (B - 1)} \sum_{i \neq j} (\cos(x_i, x_j) - \cos(t_i, t_j))^2

    Similarity-preserving distillation (Tung and Mori 2019, arXiv 1907.09682) has the rows of the matrices at length 1
    instead, and the diagonal in it.
    """

    any_width = True

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared gap () over the pairs of different sentences, 0 where there is one sentence."""
        gaps = _similarities(embeddings) - _similarities(targets)  # (B, B), 0 on the diagonal but for rounding
        rows = len(gaps)
        apart = ~torch.eye(rows, dtype=torch.bool, device=gaps.device)
        return (gaps.square() * apart).sum() / max(1, rows * (rows - 1))


def _similarities(embeddings: Tensor) -> Tensor:
    with torch.autocast(embeddings.device.type, enabled=False):  # bfloat16 would round by more than the gaps
        directions = normalize(embeddings.float(), dim=1)
        return directions @ directions.T
