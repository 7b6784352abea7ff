"""Entailment: each pair of texts is of one class, such as entailment, neutral or contradiction. As single labels.

The head is given both embeddings and their difference, (u, v, |u - v|), as SoftmaxLoss of sentence-transformers does
(Reimers and Gurevych 2019, arXiv 1908.10084). Shapes: B rows of a batch, H units of an embedding.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from polyhead.tasks.single_label import SingleLabel

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Entailment(SingleLabel):
    """One class out of two or more, of a pair."""

    name: ClassVar[str] = "entailment"
    is_pair: ClassVar[bool] = True

    def features(self, first: "Tensor", second: "Tensor") -> "Tensor":
        """Return both embeddings and their absolute difference (B, 3 H)."""
        import torch

        return torch.cat([first, second, (first - second).abs()], dim=1)

    def feature_size(self, embedding_size: int) -> int:
        """Return 3 H."""
        return 3 * embedding_size
