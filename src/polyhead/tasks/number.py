"""Number: each sentence has a number, such as a price or a rating. Squared error or Huber's; headline Spearman's rho.

The target is standardized: the head sees numbers of mean 0 and spread 1, whatever the unit. Spearman's rho is the
headline, since like an F1 it is at most 1, does not depend on the unit, and one wild prediction does not decide it; R2
falls without bound where a head starts badly, and would decide every mean over tasks. Nothing is calibrated.
Shapes: N sentences, B sentences of a batch.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, ClassVar, Self

from polyhead.errors import UserError, check_parameters, did_you_mean, is_finite, parameters_under
from polyhead.tasks.kind import Kind, Labels
from polyhead.tasks.targets import is_labelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

_LOSSES = ("squared", "huber")
_GROUPS = 10  # of numbers, that are held out evenly


@dataclass(frozen=True)
class Number(Kind):
    """A number.

    Args:
        loss: ``squared``, or ``huber``, which is linear beyond one spread, so that outliers count less.
        mean: of the training numbers; None takes it from them.
        spread: standard deviation of the training numbers, above 0; None takes it from them.
    """

    name: ClassVar[str] = "number"
    headline: ClassVar[str] = "spearman"
    scores: ClassVar[Mapping[str, str]] = {"spearman": "Spearman", "mae": "MAE"}
    measures: ClassVar[tuple[str, ...]] = ("mae", "pearson", "spearman")
    has_classes: ClassVar[bool] = False
    in_nats: ClassVar[bool] = False
    any_cell: ClassVar[bool] = True
    distills: ClassVar[bool] = True
    dtype: ClassVar[str] = "float32"
    figure: ClassVar[str] = "scatter"

    loss: str = "squared"
    mean: float | None = None
    spread: float | None = None

    @property
    def quadratic(self) -> bool:
        """Whether the loss is the squared error."""
        return self.loss == "squared"

    def check_settings(self, task: str) -> None:
        """Check loss, mean and spread."""
        if self.loss not in _LOSSES:
            raise UserError(f"tasks.{task}.loss: unknown {self.loss!r}; {did_you_mean(str(self.loss), _LOSSES)}")
        given = self.spread is not None
        with parameters_under(f"tasks.{task}"):
            check_parameters(
                ("mean", self.mean, self.mean is None or is_finite(self.mean), "a number, or null"),
                ("spread", self.spread, not given or (is_finite(self.spread) and self.spread > 0), "above 0, or null"),
            )

    def check_labels(self, task: str, labels: Labels) -> None:
        """Refuse class names."""
        if labels:
            raise UserError(f"tasks.{task}.labels: {list(labels)} given, and a number has no classes; leave them out")

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
        """Return the numbers in spreads from the mean (N,)."""
        import numpy as np

        numbers = np.asarray([nan if cell is None else self.read(labels, cell) for cell in cells], dtype=np.float64)
        return ((numbers - self._mean) / self._spread).astype(self.dtype)

    def groups(self, labels: Labels, cells: Sequence[str]) -> "NDArray[np.int64]":
        """Return tenths of the distinct numbers in their order."""
        return tenths([self.read(labels, cell) for cell in cells])

    @property
    def is_fitted(self) -> bool:
        """Whether mean and spread are known."""
        return self.mean is not None and self.spread is not None

    def fitted(self, labels: Labels, cells: Iterable[str | None]) -> Self:
        """Return the kind with mean and standard deviation of the training numbers."""
        import numpy as np

        numbers = np.asarray([self.read(labels, cell) for cell in cells if cell is not None], dtype=np.float64)
        if not len(numbers) or not numbers.std() > 0:
            found = f"are all {numbers[0]:g}" if len(numbers) else "are none"
            raise UserError(f"its training numbers {found}; leave the task out")
        mean = float(numbers.mean()) if self.mean is None else self.mean
        return replace(self, mean=mean, spread=float(numbers.std()) if self.spread is None else self.spread)

    def width(self, labels: Labels) -> int:
        """Return 1."""
        return 1

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the squared error of each row in squared spreads (B,), or Huber's loss."""
        from torch.nn.functional import huber_loss, mse_loss

        labelled = is_labelled(targets)
        known = targets.where(labelled, 0.0)
        loss = mse_loss if self.loss == "squared" else huber_loss
        losses: Tensor = loss(logits[:, 0], known.to(logits.dtype), reduction="none") * labelled
        return losses

    def soft_losses(self, logits: "Tensor", answers: "Tensor", temperature: float) -> "Tensor":
        """Return the loss of each row (B,) with the teacher's number as the target; the temperature means nothing."""
        return self.row_losses(logits.float(), answers[:, 0].float())

    def from_teacher(self, teacher: Self, logits: "Tensor") -> "Tensor":
        """Return the teacher's numbers in spreads from the mean here (B, 1)."""
        return (logits * teacher._spread + teacher._mean - self._mean) / self._spread

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make mean absolute error, Pearson's r and Spearman's rho."""
        from torchmetrics import MeanAbsoluteError

        return {"mae": MeanAbsoluteError(), **correlation_metrics()}

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the predicted numbers, standardized (B,)."""
        return logits[:, 0].float()

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Return the error in the unit of the data; a correlation with what does not vary is 0."""
        return {"mae": values["mae"] * self._spread, **finite_correlations(values)}

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the numbers in the unit of the data (N,)."""
        return self.restore(logits[:, 0])

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the numbers."""
        return outputs

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return Spearman's rho; 0 where targets or answers do not vary."""
        return rank_correlation(targets, codes)

    def restore(self, targets: "NDArray[Any]") -> "NDArray[Any]":
        """Return standardized numbers in the unit of the data (N,)."""
        import numpy as np

        return (targets.astype(np.float64) * self._spread + self._mean).astype(np.float32)

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the numbers, each the shortest that is the same in single precision."""
        return [float(str(number)) for number in codes]

    @property
    def _mean(self) -> float:
        return 0.0 if self.mean is None else self.mean

    @property
    def _spread(self) -> float:
        return 1.0 if self.spread is None else self.spread


def read_number(cell: str) -> float:
    """Return the number in a cell.

    Raises:
        UserError: there is none.
    """
    try:
        number = float(cell.replace("_", "x"))  # Python takes 1_000 for a number
    except ValueError:
        number = nan
    if not isfinite(number):
        raise UserError(f"{cell[:40]!r} is no number; write it as 0.5, and leave the cell empty where there is none")
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
