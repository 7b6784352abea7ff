"""Multi label: each sentence has any number of labels. Binary cross-entropy; headline macro-F1; thresholds fitted.

Shapes: N sentences, B sentences of a batch, C labels of the task, V distinct cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from polyhead.errors import UserError, did_you_mean, is_finite
from polyhead.tasks.divergences import binary_divergences
from polyhead.tasks.kind import Kind, Labels
from polyhead.tasks.single_label import check_class_names, f1_scores
from polyhead.tasks.targets import MISSING, is_labelled, split_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

_LONGEST = 5  # characters of a separator
UNFITTED = 0.5  # how probable a label must be where validation fitted nothing


@dataclass(frozen=True)
class MultiLabel(Kind):
    """Any of two or more labels, or none of them.

    Args:
        separator: between the labels of a cell that is a text; lists of JSON and Parquet files need none.
    """

    name: ClassVar[str] = "multi_label"
    headline: ClassVar[str] = "macro_f1"
    scores: ClassVar[Mapping[str, str]] = {"micro_f1": "micro-F1", "macro_f1": "macro-F1"}
    measures: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "average_precision")
    fits: ClassVar[str] = "thresholds"
    any_cell: ClassVar[bool] = True
    figure: ClassVar[str] = "bars"
    distills: ClassVar[bool] = True

    separator: str = ";"

    def check_settings(self, task: str) -> None:
        """Check the separator."""
        if not isinstance(self.separator, str) or not 0 < len(self.separator) <= _LONGEST:
            rule = f"it must be a text of 1 to {_LONGEST} characters"
            raise UserError(f"tasks.{task}.separator: {self.separator!r:.40} given; {rule}")

    def check_labels(self, task: str, labels: Labels) -> None:
        """Refuse fewer than two labels, and labels that stand twice."""
        check_class_names(task, labels, least=2)

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return all labels in the cells, in alphabetical order."""
        return sorted({label for cell in cells for label in split_labels(cell, self.separator)})

    def read(self, labels: Labels, cell: str) -> list[int]:
        """Return a 0 or 1 for each label (C,)."""
        given = set(split_labels(cell, self.separator))
        for label in sorted(given.difference(labels)):
            raise UserError(f"unknown label {label[:60]!r}; {did_you_mean(label, labels)}")
        return [int(label in given) for label in labels]

    def missing(self, labels: Labels) -> list[int]:
        """Return ``MISSING`` for each label (C,)."""
        return [MISSING] * len(labels)

    def groups(self, labels: Labels, cells: Sequence[str]) -> "NDArray[np.int64]":
        """Return for each label whether a cell has it (V, C)."""
        import numpy as np

        return np.asarray([self.read(labels, cell) for cell in cells], dtype=np.int64).reshape(len(cells), len(labels))

    def width(self, labels: Labels) -> int:
        """Return C."""
        return len(labels)

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the binary cross-entropy of each row in nats, the mean over the labels (B,)."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        truth = targets.clamp(min=0).to(logits.dtype)
        losses = binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1)  # (B,)
        known: Tensor = losses * is_labelled(targets)
        return known

    def soft_losses(self, logits: "Tensor", answers: "Tensor", temperature: float) -> "Tensor":
        """Return the divergence of each label's sigmoid from that of the teacher, the mean over the labels (B,)."""
        return binary_divergences(logits, answers, temperature).mean(dim=1)

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make micro F1, macro F1 and F1 by label at a threshold of 0.5, and average precision, the mean over labels.

        Those at the thresholds that validation fits take the place of the first three where these are.
        """
        from torchmetrics.classification import MultilabelAveragePrecision, MultilabelF1Score

        settings: dict[str, Any] = {"num_labels": len(labels), "validate_args": False}
        return {
            "micro_f1": MultilabelF1Score(average="micro", threshold=UNFITTED, **settings),
            "macro_f1": MultilabelF1Score(average="macro", threshold=UNFITTED, **settings),
            "f1": MultilabelF1Score(average="none", threshold=UNFITTED, **settings),
            "average_precision": MultilabelAveragePrecision(average="macro", **settings),
        }

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the probability of each label (B, C)."""
        return logits.float().sigmoid()

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Name the labels of F1; an average precision without any label is 0."""
        precision = values["average_precision"]
        average = {"average_precision": precision if isfinite(precision) else 0.0}
        return values | {"f1": dict(zip(labels, values["f1"], strict=True))} | average

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the probability of each label (N, C)."""
        import numpy as np

        with np.errstate(over="ignore"):  # of a logit far below 0 the probability is 0
            shares: NDArray[Any] = 1 / (1 + np.exp(-logits))
        return shares

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return 1 for the labels that reach their threshold (N, C)."""
        import numpy as np

        thresholds = np.asarray(fit.get("thresholds") or UNFITTED, dtype=outputs.dtype)
        codes: NDArray[Any] = (outputs >= thresholds).astype(np.int64)
        return codes

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return macro F1 over all labels."""
        return float(f1_scores(targets.T == 1, codes.T == 1).mean())

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the labels of each text, in the order of the task."""
        return [[label for label, has in zip(labels, row, strict=True) if has] for row in codes.tolist()]

    def check_fit(self, labels: Labels, fit: Mapping[str, Any]) -> None:
        """Check that there is a threshold from 0 to 1 for each label."""
        super().check_fit(labels, fit)
        found = fit.get("thresholds")
        sound = isinstance(found, list) and len(found) == len(labels)
        if found is not None and not (sound and all(is_finite(value) and 0 <= value <= 1 for value in found)):
            raise UserError(f"thresholds: {found!r:.60} given; it must be a number from 0 to 1 for each label")
