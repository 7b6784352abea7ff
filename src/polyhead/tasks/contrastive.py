"""Contrastive: pairs of texts that belong together, as a question and its answer. In-batch negatives; headline MRR.

There is no head: each first text shall be nearer to its own second text than to those of the other pairs of the batch
(MultipleNegativesRankingLoss of sentence-transformers; Henderson et al. 2017, arXiv 1705.00652). The answer for a pair
is the cosine of its embeddings.

The headline is the mean reciprocal rank of the own second text among those of all pairs of the split (MRR), since it
is a mean over rows, so that runs compare row by row; accuracy@1, beside it, does not tell second from last. It falls
with the number of pairs, as any score of a search does: runs compare on the same split. Nothing is calibrated.
Shapes: B rows of a batch, N rows, P pairs, H units of an embedding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar

from polyhead.errors import UserError, check_parameters, is_finite, parameters_under
from polyhead.tasks.kind import Kind, Labels
from polyhead.tasks.targets import is_labelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")  # pandas writes 1.0 where there are gaps


@dataclass(frozen=True)
class Contrastive(Kind):
    """A pair that belongs together, among others.

    Args:
        scale: by which cosines are multiplied before the softmax, above 0.
    """

    name: ClassVar[str] = "contrastive"
    headline: ClassVar[str] = "mrr"
    scores: ClassVar[Mapping[str, str]] = {"mrr": "MRR", "accuracy_at_1": "accuracy@1"}
    measures: ClassVar[tuple[str, ...]] = ("mrr", "accuracy_at_1")
    has_classes: ClassVar[bool] = False
    dtype: ClassVar[str] = "float32"
    is_pair: ClassVar[bool] = True
    has_head: ClassVar[bool] = False
    takes_each_pair: ClassVar[bool] = True
    is_judged_whole: ClassVar[bool] = True

    scale: float = 20.0

    def check_settings(self, task: str) -> None:
        """Check the scale."""
        with parameters_under(f"tasks.{task}"):
            check_parameters(("scale", self.scale, is_finite(self.scale) and self.scale > 0, "above 0"))

    def check_labels(self, task: str, labels: Labels) -> None:
        """Refuse class names."""
        if labels:
            raise UserError(f"tasks.{task}.labels: {list(labels)} given, and pairs have no classes; leave them out")

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return no class names."""
        return ()

    def read(self, labels: Labels, cell: str) -> float:
        """Return 1 for a pair that belongs together, NaN for one that does not: it is none to learn from."""
        if cell.lower() not in (*_YES, *_NO):
            raise UserError(f"{cell[:40]!r} given; it must be 1 where the two texts belong together, else 0 or empty")
        return 1.0 if cell.lower() in _YES else nan

    def missing(self, labels: Labels) -> float:
        """Return NaN."""
        return nan

    def groups(self, labels: Labels, cells: Sequence[str]) -> "NDArray[np.int64]":
        """Return one group: all pairs are alike."""
        import numpy as np

        return np.zeros((len(cells), 1), dtype=np.int64)

    def features(self, first: "Tensor", second: "Tensor") -> "Tensor":
        """Return the directions of both embeddings, one after the other (B, 2 H), in single precision."""
        import torch
        from torch.nn.functional import normalize

        with torch.autocast(first.device.type, enabled=False):  # bfloat16 would round cosines to two digits
            sides = [side if side.dtype.itemsize > 4 else side.float() for side in (first, second)]
            return torch.cat([normalize(side, dim=1) for side in sides], dim=1)

    def feature_size(self, embedding_size: int) -> int:
        """Return 2 H."""
        return 2 * embedding_size

    def width(self, labels: Labels) -> int:
        """Return 0: there is no head, and the directions are as wide as the encoder makes them."""
        return 0

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the cross-entropy of each row (B,), in nats: its own second text among those of the batch.

        Args:
            logits: directions of both sides (B, 2 H).
            targets: NaN where a row is no such pair; its second text is no candidate either.
        """
        import torch

        labelled = is_labelled(targets)
        first, second = logits.chunk(2, dim=1)
        with torch.autocast(logits.device.type, enabled=False):
            cosines = self.scale * (first @ second.T)  # (B, B)
        candidates = cosines.masked_fill(~labelled[None], torch.finfo(cosines.dtype).min)
        losses: Tensor = (candidates.logsumexp(dim=1) - cosines.diagonal()).where(labelled, 0.0)
        return losses

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make mean reciprocal rank and accuracy@1 among the second texts of all rows that are added."""
        from polyhead.tasks.retrieval import Retrieval

        return {"mrr": Retrieval("mrr"), "accuracy_at_1": Retrieval("accuracy_at_1")}

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the directions of both sides (B, 2 H)."""
        return logits.float()

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the cosines (N,)."""
        import numpy as np

        first, second = np.split(logits, 2, axis=1)
        cosines: NDArray[Any] = (first * second).sum(axis=1)
        return cosines

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the cosines."""
        return outputs

    def judged(self, logits: "NDArray[Any]", targets: "NDArray[Any]") -> "NDArray[Any]":
        """Return the reciprocal rank of each pair's own second text (N,), NaN for rows that are no such pair."""
        import numpy as np
        import torch

        from polyhead.tasks.retrieval import reciprocal_ranks

        labelled = is_labelled(targets)
        ranks = np.full(len(targets), nan, dtype=np.float32)
        ranks[labelled] = reciprocal_ranks(torch.from_numpy(logits[labelled])).numpy()
        return ranks

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return the mean of reciprocal ranks (N,), see :meth:`judged`."""
        return float(codes.mean())

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the cosines, each the shortest number that is the same in single precision."""
        return [float(str(number)) for number in codes]
