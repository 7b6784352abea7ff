"""Ordinal: each sentence is of one class out of several in an order, such as stars. CORN; headline quadratic kappa.

CORN (Shi, Cao and Raschka 2023, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On Conditional
Probabilities") has a logit for each step from a class to the next: whether the class is beyond, given that it reached
the step. The loss of a row is the sum of the binary cross-entropies of the steps that it reached, which is minus the
logarithm of the probability of its class; the paper takes the mean over all steps of a batch instead. Nothing is
calibrated. Shapes: N sentences, B sentences of a batch, C classes.

A head whose logits are near 0 passes each step with a half, so in the first steps of training it predicts the lowest
classes more often than they occur. Biases that start at the frequencies of training, tried with one seed on 512 tweets
in three ordered classes, lowered the test loss from 1.00 to 0.98 after 16 steps and from 0.87 to 0.85 after 48; kappa
went from 0.08 to 0.13, and from 0.48 to 0.40: no gain to rely on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from polyhead.errors import UserError
from polyhead.tasks.divergences import binary_divergences
from polyhead.tasks.kind import Kind, Labels
from polyhead.tasks.single_label import SingleLabel, class_metrics
from polyhead.tasks.targets import is_labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric


@dataclass(frozen=True)
class Ordinal(SingleLabel):
    """One class out of two or more, from the lowest to the highest."""

    name: ClassVar[str] = "ordinal"
    headline: ClassVar[str] = "kappa"
    scores: ClassVar[Mapping[str, str]] = {"accuracy": "accuracy", "kappa": "kappa", "mae": "MAE"}
    measures: ClassVar[tuple[str, ...]] = (*SingleLabel.measures, "kappa", "mae")
    fit_measures: ClassVar[tuple[str, ...]] = ()
    weighs_classes: ClassVar[bool] = False
    fits: ClassVar[str] = ""

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return the cells in the order of their numbers.

        Raises:
            UserError: they are no numbers, and nothing says which is the lowest.
        """
        try:
            return sorted(cells, key=float)
        except ValueError:
            named = ", ".join(cells[:3])
            example = f"'tasks=[{{{task}: {{kind: ordinal, labels: [poor, fair, good]}}}}]'"
            raise UserError(
                f"tasks.{task}: the classes {named} are no numbers, and their order is not known; name them from the "
                f"lowest to the highest, as in {example}"
            ) from None

    def width(self, labels: Labels) -> int:
        """Return C - 1: the steps."""
        return len(labels) - 1

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return minus the logarithm of the probability of the class of each row (B,), in nats."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        steps = torch.arange(logits.shape[1], device=logits.device)  # (C - 1,)
        beyond = (targets[:, None] > steps).to(logits.dtype)  # (B, C - 1)
        reached = targets[:, None] >= steps
        losses = binary_cross_entropy_with_logits(logits, beyond, reduction="none") * reached
        known: Tensor = losses.sum(dim=1) * is_labelled(targets)
        return known

    def summed_loss(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the sum of the losses of the rows ()."""
        return self.row_losses(logits, targets).sum()

    def soft_losses(self, logits: "Tensor", answers: "Tensor", temperature: float) -> "Tensor":
        """Return the divergence of each step from that of the teacher, by how probably the teacher reaches it (B,).

        At a temperature of 1 their sum is the divergence of the two distributions over the classes.
        """
        import torch

        passed = (answers.float() / temperature).sigmoid().cumprod(dim=1)  # (B, C - 1)
        reached = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=1)
        return (binary_divergences(logits, answers, temperature) * reached).sum(dim=1)

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make those of single labels, and quadratic weighted kappa and the mean absolute error, in classes."""
        from torchmetrics import MeanAbsoluteError
        from torchmetrics.classification import MulticlassCohenKappa

        kappa = MulticlassCohenKappa(len(labels), weights="quadratic", validate_args=False)
        return {**class_metrics(labels), "kappa": kappa, "mae": MeanAbsoluteError()}

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the predicted classes (B,): as many steps as are passed with a probability above a half."""
        return (logits.float().sigmoid().cumprod(dim=1) > 0.5).sum(dim=1)

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Name the classes of F1; where all have one class, kappa is 0."""
        kappa = values["kappa"]
        return super().results(labels, values) | {"kappa": kappa if isfinite(kappa) else 0.0}

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the probability of each class (N, C): of passing the steps up to it, and not the next."""
        import numpy as np

        with np.errstate(over="ignore"):
            passed = np.cumprod(1 / (1 + np.exp(-logits)), axis=1)  # (N, C - 1)
        bounds = np.ones((len(logits), 1), dtype=passed.dtype)
        shares: NDArray[Any] = -np.diff(np.concatenate([bounds, passed, 0 * bounds], axis=1), axis=1)
        return shares

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return quadratic weighted kappa (Cohen 1968); 0 where all have one class."""
        import numpy as np

        truth, given = targets.astype(np.float64), codes.astype(np.float64)
        by_chance = truth.var() + given.var() + (truth.mean() - given.mean()) ** 2
        return float(1 - np.mean((truth - given) ** 2) / by_chance) if by_chance > 0 else 0.0

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the class in the middle: half of the probability lies up to it (N,)."""
        classes: NDArray[Any] = (1 - outputs.cumsum(axis=1)[:, :-1] > 0.5).sum(axis=1)
        return classes

    def check_fit(self, labels: Labels, fit: Mapping[str, Any]) -> None:
        """Refuse what nothing fits."""
        Kind.check_fit(self, labels, fit)
