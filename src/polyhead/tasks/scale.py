"""Scale: what kinds have in common whose target and answer are one number: read, shifted and stretched, correlated.

Shapes: N sentences, B sentences of a batch, V distinct cells.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, ClassVar

from polyhead.errors import UserError, did_you_mean
from polyhead.tasks.kind import Kind, Labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

_GROUPS = 10  # of numbers, that are held out evenly
_LARGEST = 3.4e38  # that answers, which are in single precision, can be


@dataclass(frozen=True)
class Scale(Kind):
    """A number, of which the model is given ``(number - origin) / spread``.

    Attributes:
        noun: what messages call it.
        losses: that ``loss`` may name, the first by itself.
    """

    headline: ClassVar[str] = "spearman"
    has_classes: ClassVar[bool] = False
    in_nats: ClassVar[bool] = False
    any_cell: ClassVar[bool] = True
    dtype: ClassVar[str] = "float32"
    figure: ClassVar[str] = "scatter"
    noun: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]

    @property
    def _origin(self) -> float:
        raise NotImplementedError

    @property
    def _spread(self) -> float:
        raise NotImplementedError

    def check_loss(self, task: str, loss: str) -> None:
        """Refuse a loss that there is not."""
        if loss not in self.losses:
            raise UserError(f"tasks.{task}.loss: unknown {loss!r}; {did_you_mean(str(loss), self.losses)}")

    def check_labels(self, task: str, labels: Labels) -> None:
        """Refuse class names."""
        if labels:
            given = f"tasks.{task}.labels: {list(labels)} given"
            raise UserError(f"{given}, and a {self.noun} has no classes; leave them out")

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return no class names."""
        return ()

    def read(self, labels: Labels, cell: str) -> float:
        """Return the number in a cell, as it stands there."""
        return read_number(cell)

    def missing(self, labels: Labels) -> float:
        """Return NaN."""
        return nan

    def targets(self, labels: Labels, cells: Sequence[str | None]) -> "NDArray[Any]":
        """Return the numbers in spreads from the origin (N,)."""
        import numpy as np

        numbers = np.asarray([nan if cell is None else self.read(labels, cell) for cell in cells], dtype=np.float64)
        return ((numbers - self._origin) / self._spread).astype(self.dtype)

    def groups(self, labels: Labels, cells: Sequence[str]) -> "NDArray[np.int64]":
        """Return tenths of the distinct numbers in their order."""
        return tenths([self.read(labels, cell) for cell in cells])

    def width(self, labels: Labels) -> int:
        """Return 1."""
        return 1

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the answers of the model, as targets are (B,)."""
        return logits[:, 0].float()

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the numbers."""
        return outputs

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return Spearman's rho; 0 where targets or answers do not vary."""
        return rank_correlation(targets, codes)

    def restore(self, targets: "NDArray[Any]") -> "NDArray[Any]":
        """Return targets in the unit of the data (N,)."""
        import numpy as np

        return (targets.astype(np.float64) * self._spread + self._origin).astype(np.float32)

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the numbers, each the shortest that is the same in single precision."""
        return [float(str(number)) for number in codes]


def read_number(cell: str) -> float:
    """Return the number in a cell.

    Raises:
        UserError: there is none, or one that no answer can be.
    """
    try:
        number = float(cell.replace("_", "x"))  # Python takes 1_000 for a number
    except ValueError:
        number = nan
    if not isfinite(number):
        raise UserError(f"{cell[:40]!r} is no number; write it as 0.5, and leave the cell empty where there is none")
    if abs(number) > _LARGEST:
        raise UserError(
            f"{cell[:40]!r} is beyond ±{_LARGEST:g}, the largest there is; leave the cell empty for no number"
        )
    return number


def tenths(numbers: Sequence[float]) -> "NDArray[np.int64]":
    """Return the tenth (V, 1) that each of V distinct numbers is in, from 0, by its place in their order."""
    import numpy as np

    ranks = np.argsort(np.argsort(numbers, kind="stable"), kind="stable")
    count = max(1, len(numbers))
    return (ranks * min(_GROUPS, count) // count).astype(np.int64)[:, None]


def correlation_metrics() -> "dict[str, Metric]":
    """Make Pearson's r and Spearman's rho."""
    from torchmetrics import PearsonCorrCoef, SpearmanCorrCoef

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it keeps all numbers, which is meant
        spearman = SpearmanCorrCoef()
    return {"pearson": PearsonCorrCoef(), "spearman": spearman}


def finite_correlations(values: Mapping[str, Any]) -> dict[str, float]:
    """Return Pearson's r and Spearman's rho; 0 for one with what does not vary."""
    return {name: values[name] if isfinite(values[name]) else 0.0 for name in ("pearson", "spearman")}


def rank_correlation(targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
    """Return Spearman's rho of numbers (N,); 0 where one side does not vary."""
    import numpy as np

    first, second = _ranks(targets), _ranks(codes)
    spread = first.std() * second.std()
    return float(np.mean((first - first.mean()) * (second - second.mean())) / spread) if spread > 0 else 0.0


def _ranks(numbers: "NDArray[Any]") -> "NDArray[np.float64]":
    """Return the ranks of numbers (N,); equal ones have the mean of theirs.

    >>> import numpy as np
    >>> _ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    import numpy as np

    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse]
