"""Number: each sentence has a number, such as a price or a rating. Squared error or Huber's; headline Spearman's rho.

The target is standardized: the head sees numbers of mean 0 and spread 1, whatever the unit. Spearman's rho is the
headline, since like an F1 it is at most 1, does not depend on the unit, and one wild prediction does not decide it; R2
falls without bound where a head starts badly, and would decide every mean over tasks. Nothing is calibrated.
Shapes: N sentences, B sentences of a batch.
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


@dataclass(frozen=True)
class Number(Scale):
    """A number.

    Args:
        loss: ``squared``, or ``huber``, which is linear beyond one spread, so that outliers count less.
        mean: of the training numbers; None takes it from them.
        spread: standard deviation of the training numbers, above 0; None takes it from them.
    """

    name: ClassVar[str] = "number"
    noun: ClassVar[str] = "number"
    losses: ClassVar[tuple[str, ...]] = ("squared", "huber")
    scores: ClassVar[Mapping[str, str]] = {"spearman": "Spearman", "mae": "MAE"}
    measures: ClassVar[tuple[str, ...]] = ("mae", "pearson", "spearman")
    distills: ClassVar[bool] = True

    loss: str = "squared"
    mean: float | None = None
    spread: float | None = None

    @property
    def quadratic(self) -> bool:
        """Whether the loss is the squared error."""
        return self.loss == "squared"

    def check_settings(self, task: str) -> None:
        """Check loss, mean and spread."""
        self.check_loss(task, self.loss)
        given = self.spread is not None
        with parameters_under(f"tasks.{task}"):
            check_parameters(
                ("mean", self.mean, self.mean is None or is_finite(self.mean), "a number, or null"),
                ("spread", self.spread, not given or (is_finite(self.spread) and self.spread > 0), "above 0, or null"),
            )

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
        return (logits * teacher._spread + teacher._origin - self._origin) / self._spread

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make mean absolute error, Pearson's r and Spearman's rho."""
        from torchmetrics import MeanAbsoluteError

        return {"mae": MeanAbsoluteError(), **correlation_metrics()}

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Return the error in the unit of the data; a correlation with what does not vary is 0."""
        return {"mae": values["mae"] * self._spread, **finite_correlations(values)}

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the numbers in the unit of the data (N,)."""
        return self.restore(logits[:, 0])

    @property
    def _origin(self) -> float:
        return 0.0 if self.mean is None else self.mean

    @property
    def _spread(self) -> float:
        return 1.0 if self.spread is None else self.spread
