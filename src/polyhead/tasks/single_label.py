"""Single label: each sentence is of one class. Cross-entropy; headline macro-F1; a temperature fitted on validation.

Shapes: N sentences, B sentences of a batch, C classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from polyhead.errors import UserError, did_you_mean
from polyhead.tasks.kind import Kind, Labels
from polyhead.tasks.targets import MISSING

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric


@dataclass(frozen=True)
class SingleLabel(Kind):
    """One class out of two or more."""

    name: ClassVar[str] = "single_label"
    headline: ClassVar[str] = "macro_f1"
    scores: ClassVar[Mapping[str, str]] = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
    measures: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "macro_precision", "macro_recall")
    fit_measures: ClassVar[tuple[str, ...]] = ("ece", "ece_scaled", "temperature")
    one_class: ClassVar[bool] = True
    weighs_classes: ClassVar[bool] = True
    fits: ClassVar[str] = "temperature"
    distills: ClassVar[bool] = True

    def check_labels(self, task: str, labels: Labels) -> None:
        """Refuse fewer than two labels, and labels that stand twice."""
        check_class_names(task, labels, least=2)

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return the cells: each is a class."""
        return cells

    def read(self, labels: Labels, cell: str) -> int:
        """Return the class index."""
        if cell not in labels:
            raise UserError(f"unknown label {cell!r}; {did_you_mean(cell, labels)}")
        return labels.index(cell)

    def missing(self, labels: Labels) -> int:
        """Return ``MISSING``."""
        return MISSING

    def width(self, labels: Labels) -> int:
        """Return C."""
        return len(labels)

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the cross-entropy of each row (B,), in nats."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, targets, ignore_index=MISSING, reduction="none")

    def summed_loss(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the sum of the cross-entropies ()."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, targets, ignore_index=MISSING, reduction="sum")

    def soft_losses(self, logits: "Tensor", answers: "Tensor", temperature: float) -> "Tensor":
        """Return the divergence of the softmax from that of the teacher (B,), in nats times the squared temperature."""
        from torch.nn.functional import kl_div, log_softmax

        ours = log_softmax(logits.float() / temperature, dim=1)
        theirs = log_softmax(answers.float() / temperature, dim=1)
        return kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=1) * temperature**2

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make accuracy, macro F1, precision and recall, F1 by class and the confusion matrix.

        A macro average runs over the classes that occur in labels or predictions.
        """
        return class_metrics(labels)

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return the predicted classes (B,)."""
        return logits.argmax(dim=1)

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Name the classes of F1."""
        values["f1"] = dict(zip(labels, values["f1"], strict=True))
        return values

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the softmax of the logits, divided by the temperature (N, C)."""
        import numpy as np

        return softmax(logits / np.float32(fit.get("temperature") or 1.0))

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the most probable class; of equally probable ones, the first (N,)."""
        classes: NDArray[Any] = outputs.argmax(axis=1)
        return classes

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return macro F1 over the classes that occur."""
        import numpy as np

        classes = np.union1d(targets, codes)[:, None]
        return float(f1_scores(targets == classes, codes == classes).mean())

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the class names."""
        return [labels[index] for index in codes]

    def check_fit(self, labels: Labels, fit: Mapping[str, Any]) -> None:
        """Pass: whoever reads a temperature checks it."""


def check_class_names(task: str, labels: Labels, least: int) -> None:
    """Check class names.

    Raises:
        UserError: fewer than ``least``, or one that stands twice.
    """
    if len(labels) < least:
        words = {1: "one", 2: "two", 3: "three"}[least]
        raise UserError(f"tasks.{task}: {len(labels)} label(s) given; a task needs at least {words}")
    repeated = sorted(label for label, count in Counter(labels).items() if count > 1)
    if repeated:
        raise UserError(f"tasks.{task}: {', '.join(repeated)} given twice; labels must be distinct")


def class_metrics(labels: Labels) -> "dict[str, Metric]":
    """Make the metrics of classes of which each sentence has one."""
    from torchmetrics.classification import (
        MulticlassAccuracy,
        MulticlassConfusionMatrix,
        MulticlassF1Score,
        MulticlassPrecision,
        MulticlassRecall,
    )

    # The labels come from our own table: checking their range again costs a pass over them in every step.
    settings: dict[str, Any] = {"num_classes": len(labels), "ignore_index": MISSING, "validate_args": False}
    return {
        "accuracy": MulticlassAccuracy(average="micro", **settings),
        "macro_f1": MulticlassF1Score(average="macro", **settings),
        "macro_precision": MulticlassPrecision(average="macro", **settings),
        "macro_recall": MulticlassRecall(average="macro", **settings),
        "f1": MulticlassF1Score(average="none", **settings),
        "confusion": MulticlassConfusionMatrix(**settings),
    }


def f1_scores(truth: "NDArray[Any]", given: "NDArray[Any]") -> "NDArray[Any]":
    """Return the F1 of each row of truths and answers (C, N); 0 where there is neither."""
    import numpy as np

    hits = (truth & given).sum(axis=1)
    scores: NDArray[Any] = 2 * hits / np.maximum(truth.sum(axis=1) + given.sum(axis=1), 1)
    return scores


def softmax(logits: "NDArray[Any]") -> "NDArray[Any]":
    """Turn logits (N, C) into probabilities (N, C).

    >>> import numpy as np
    >>> softmax(np.array([[1000, 1000]], dtype=np.float32)).tolist()
    [[0.5, 0.5]]
    """
    import numpy as np

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares
