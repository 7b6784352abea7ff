"""Similarity: each pair of texts has a score of how alike they are. The cosine of their embeddings; headline Spearman.

There is no head: what is learned is the embedding, and the answer for a pair is the cosine. Spearman's rho is the
headline, as of the STS benchmark: it asks for the order of the pairs alone, so that the unit of the scores does not
matter. Nothing is calibrated. Shapes: B rows of a batch, N rows, H units of an embedding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar, Self

from polyhead.errors import UserError, check_parameters, did_you_mean, is_finite, parameters_under
from polyhead.tasks.kind import Kind, Labels
from polyhead.tasks.number import correlation_metrics, finite_correlations, rank_correlation, read_number, tenths
from polyhead.tasks.targets import is_labelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

_LOSSES = ("cosine", "cosent")
_COSENT_SCALE = 20.0  # as sentence-transformers has it


@dataclass(frozen=True)
class Similarity(Kind):
    """A score of two texts.

    Args:
        loss: ``cosine``, the squared error of the cosine (CosineSimilarityLoss of sentence-transformers), or
            ``cosent``, which asks of all pairs of a batch that they stand in the order of their scores (CoSENTLoss; Su
            2022).
        low: the score of texts whose cosine shall be 0; None takes the lowest of the training scores.
        high: the score of texts whose cosine shall be 1; None takes the highest.
    """

    name: ClassVar[str] = "similarity"
    headline: ClassVar[str] = "spearman"
    scores: ClassVar[Mapping[str, str]] = {"spearman": "Spearman", "pearson": "Pearson"}
    measures: ClassVar[tuple[str, ...]] = ("pearson", "spearman")
    has_classes: ClassVar[bool] = False
    in_nats: ClassVar[bool] = False
    any_cell: ClassVar[bool] = True
    dtype: ClassVar[str] = "float32"
    figure: ClassVar[str] = "scatter"
    is_pair: ClassVar[bool] = True
    has_head: ClassVar[bool] = False

    loss: str = "cosine"
    low: float | None = None
    high: float | None = None

    def check_settings(self, task: str) -> None:
        """Check the loss and both ends of the scale."""
        if self.loss not in _LOSSES:
            raise UserError(f"tasks.{task}.loss: unknown {self.loss!r}; {did_you_mean(str(self.loss), _LOSSES)}")
        both = is_finite(self.low) and is_finite(self.high)
        with parameters_under(f"tasks.{task}"):
            check_parameters(
                ("low", self.low, self.low is None or is_finite(self.low), "a number, or null"),
                ("high", self.high, self.high is None or is_finite(self.high), "a number, or null"),
                ("high", self.high, not both or self._spread > 0, "above low"),
            )

    def check_labels(self, task: str, labels: Labels) -> None:
        """Refuse class names."""
        if labels:
            raise UserError(f"tasks.{task}.labels: {list(labels)} given, and a score has no classes; leave them out")

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return no class names."""
        return ()

    def read(self, labels: Labels, cell: str) -> float:
        """Return the score in a cell, as it stands there."""
        return read_number(cell)

    def missing(self, labels: Labels) -> float:
        """Return NaN."""
        return nan

    def targets(self, labels: Labels, cells: Sequence[str | None]) -> "NDArray[Any]":
        """Return the scores from 0 to 1 (N,), as far as they lie between ``low`` and ``high``."""
        import numpy as np

        numbers = np.asarray([nan if cell is None else self.read(labels, cell) for cell in cells], dtype=np.float64)
        return ((numbers - self._low) / self._spread).astype(self.dtype)

    def groups(self, labels: Labels, cells: Sequence[str]) -> "NDArray[np.int64]":
        """Return tenths of the distinct scores in their order."""
        return tenths([self.read(labels, cell) for cell in cells])

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

    def width(self, labels: Labels) -> int:
        """Return 1: the cosine."""
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

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the cosines (B,)."""
        return logits[:, 0].float()

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Return both; a correlation with what does not vary is 0."""
        return finite_correlations(values)

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the cosines (N,)."""
        cosines: NDArray[Any] = logits[:, 0]
        return cosines

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the cosines."""
        return outputs

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return Spearman's rho; 0 where scores or cosines do not vary."""
        return rank_correlation(targets, codes)

    def restore(self, targets: "NDArray[Any]") -> "NDArray[Any]":
        """Return the scores as the data have them (N,)."""
        import numpy as np

        return (targets.astype(np.float64) * self._spread + self._low).astype(np.float32)

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the cosines, each the shortest number that is the same in single precision."""
        return [float(str(number)) for number in codes]

    @property
    def _low(self) -> float:
        return 0.0 if self.low is None else self.low

    @property
    def _spread(self) -> float:
        return (1.0 if self.high is None else self.high) - self._low


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
