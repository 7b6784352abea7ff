"""Similarity: each pair of texts has a score of how alike they are. The cosine of their embeddings; headline Spearman.

There is no head: what is learned is the embedding, and the answer for a pair is the cosine. Spearman's rho is the
headline, as of the STS benchmark: it asks for the order of the pairs alone, so that the unit of the scores does not
matter. Nothing is calibrated. Shapes: B rows of a batch, N rows, H units of an embedding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from polyhead.errors import UserError, check_parameters, is_finite, parameters_under
from polyhead.tasks.kind import Labels
from polyhead.tasks.scale import Scale, correlation_metrics, finite_correlations
from polyhead.tasks.targets import is_labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

_COSENT_SCALE = 20.0  # as sentence-transformers has it


@dataclass(frozen=True)
class Similarity(Scale):
    """A score of two texts.

    Args:
        loss: ``cosine``, the squared error of the cosine (CosineSimilarityLoss of sentence-transformers), or
            ``cosent``, which asks of all pairs of a batch that they stand in the order of their scores (CoSENTLoss; Su
            2022).
        low: the score of texts whose cosine shall be 0; None takes the lowest of the training scores.
        high: the score of texts whose cosine shall be 1; None takes the highest.
    """

    name: ClassVar[str] = "similarity"
    noun: ClassVar[str] = "score"
    losses: ClassVar[tuple[str, ...]] = ("cosine", "cosent")
    scores: ClassVar[Mapping[str, str]] = {"spearman": "Spearman", "pearson": "Pearson"}
    measures: ClassVar[tuple[str, ...]] = ("pearson", "spearman")
    is_pair: ClassVar[bool] = True
    has_head: ClassVar[bool] = False

    loss: str = "cosine"
    low: float | None = None
    high: float | None = None

    def check_settings(self, task: str) -> None:
        """Check the loss and both ends of the scale."""
        self.check_loss(task, self.loss)
        both = is_finite(self.low) and is_finite(self.high)
        with parameters_under(f"tasks.{task}"):
            check_parameters(
                ("low", self.low, self.low is None or is_finite(self.low), "a number, or null"),
                ("high", self.high, self.high is None or is_finite(self.high), "a number, or null"),
                ("high", self.high, not both or self._spread > 0, "above low"),
            )

    @property
    def is_fitted(self) -> bool:
        """Whether both ends of the scale are known."""
        return self.low is not None and self.high is not None

    def fitted(self, labels: Labels, cells: Iterable[str | None]) -> Self:
        """Return the kind with the lowest and the highest training score."""
        numbers = [self.read(labels, cell) for cell in cells if cell is not None]
        low = min(numbers, default=0.0) if self.low is None else self.low
        high = max(numbers, default=0.0) if self.high is None else self.high
        if not high > low:
            found = f"are all {low:g}" if numbers else "are none"
            raise UserError(f"its training scores {found}; leave the task out, or set low and high")
        return replace(self, low=low, high=high)

    def features(self, first: "Tensor", second: "Tensor") -> "Tensor":
        """Return the cosine of the embeddings (B, 1), in single precision."""
        import torch
        from torch.nn.functional import cosine_similarity

        with torch.autocast(first.device.type, enabled=False):  # bfloat16 would round cosines to two digits
            cosines: Tensor = cosine_similarity(_single(first), _single(second), dim=1)
        column: Tensor = cosines[:, None]
        return column

    def feature_size(self, embedding_size: int) -> int:
        """Return 1."""
        return 1

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the squared error of each cosine (B,); with ``cosent`` that of the batch, the same for each row."""
        labelled = is_labelled(targets)
        known = targets.where(labelled, 0.0).to(logits.dtype)
        if self.loss == "cosine":
            errors: Tensor = (logits[:, 0] - known).square() * labelled
            return errors
        total: Tensor = cosent(logits[:, 0], known, labelled) * labelled
        return total

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make Pearson's r and Spearman's rho."""
        return correlation_metrics()

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Return both; a correlation with what does not vary is 0."""
        return finite_correlations(values)

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the cosines (N,)."""
        cosines: NDArray[Any] = logits[:, 0]
        return cosines

    @property
    def _origin(self) -> float:
        return 0.0 if self.low is None else self.low

    @property
    def _spread(self) -> float:
        return (1.0 if self.high is None else self.high) - self._origin


def cosent(cosines: "Tensor", scores: "Tensor", labelled: "Tensor") -> "Tensor":
    r"""Return CoSENT's loss of a batch (), in nats.

    .. math:: \log \left( 1 + \sum_{s_i < s_j} \exp(20 (c_i - c_j)) \right)

    Args:
        cosines: c (B,).
        scores: s (B,).
        labelled: which rows have a score (B,).
    """
    import torch

    gaps = _COSENT_SCALE * (cosines[:, None] - cosines[None])  # (B, B)
    is_wrong_way = (scores[:, None] < scores[None]) & labelled[:, None] & labelled[None]
    counted = gaps.masked_fill(~is_wrong_way, torch.finfo(gaps.dtype).min)
    return torch.cat([counted.new_zeros(1), counted.flatten()]).logsumexp(dim=0)


def _single(embeddings: "Tensor") -> "Tensor":
    """Return embeddings in single precision at least."""
    return embeddings if embeddings.dtype.itemsize > 4 else embeddings.float()
