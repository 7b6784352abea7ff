"""Evaluation: the LightningModule that measures a multi-task model. Knows nothing about how it is trained.

Shapes: T tasks, B sentences of a batch, C classes and W logits of a task.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import lightning as L
from torch import Tensor, nn

from polyhead.data.batch import Batch
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import plain_losses
from polyhead.tasks import Task
from polyhead.training.fits import Fit, make_fit
from polyhead.training.metrics import Results, TaskMetrics, scalars

_SPLITS = ("training", "validation", "test")
_MOST_JUDGED = 2048  # training rows that are judged among each other; their embeddings are kept, and in checkpoints


class MultiTaskEvaluation(L.LightningModule):
    """Measures a multi-task model on the validation split and on test sets.

    Args:
        model: encoder and heads.
        tasks: what the heads predict.

    Attributes:
        results: metrics by split: ``training``, ``validation``, and the name of each test set.
    """

    def __init__(self, model: MultiTaskModel, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.model = model
        self.tasks = tuple(tasks)
        self.results: dict[str, Results] = {}
        self._test_set = "test"
        metrics = {
            f"{split}_{task.name}": TaskMetrics(task, _MOST_JUDGED if split == "training" else None)
            for split in _SPLITS
            for task in self.tasks
        }
        self.metrics = nn.ModuleDict(metrics)
        fits = {task.name: make_fit(task) for task in self.tasks}
        self.calibration = nn.ModuleDict({name: fit for name, fit in fits.items() if fit is not None})

    @property
    def evaluated_split(self) -> str:
        """The test set that the test batches are of: the name under which their metrics are kept and logged."""
        return self._test_set

    @contextmanager
    def evaluating(self, test_set: str) -> Iterator[None]:
        """Keep and log test metrics under the name of ``test_set`` inside the context; outside it is ``test``."""
        self._test_set = test_set
        try:
            yield
        finally:
            self._test_set = "test"

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a validation batch to the metrics."""
        self._evaluate("validation", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Add a test batch to the metrics, and return its logits (B, W) of each task, which callbacks look at."""
        return self._evaluate("test", batch)

    def on_validation_epoch_end(self) -> None:
        """Fit temperatures and thresholds, and log the validation metrics."""
        for fit in self.calibration.values():
            cast(Fit, fit).fit()
        self._log_evaluation("validation", "validation")

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._log_evaluation("test", self.evaluated_split)

    def _evaluate(self, split: str, batch: Batch) -> dict[str, Tensor]:
        logits: dict[str, Tensor] = self.model(batch)
        # The plain loss of each kind, cross-entropy of single labels, whatever training minimizes: it compares.
        losses, rows = plain_losses(self.tasks, logits, batch.labels)
        self.update_metrics(split, batch, logits, losses, rows)
        for name, fit in self.calibration.items():
            cast(Fit, fit).update(logits[name], batch.labels[name])
        return logits

    def fit_of(self, task: str) -> dict[str, Any]:
        """Return what validation fitted of a task, as its kind takes it."""
        return cast(Fit, self.calibration[task]).values if task in self.calibration else {}

    def update_metrics(
        self, split: str, batch: Batch, logits: Mapping[str, Tensor], losses: Tensor, rows: Tensor
    ) -> None:
        """Add a batch to the metrics of a split.

        Args:
            split: ``training``, ``validation`` or ``test``.
            batch: its labels are used.
            logits: (B, W) of each task.
            losses: mean loss of each task (T,), detached.
            rows: labelled rows of each task (T,).
        """
        for task, loss, count in zip(self.tasks, losses, rows, strict=True):
            metrics = cast(TaskMetrics, self.metrics[f"{split}_{task.name}"])
            metrics.update(logits[task.name].detach(), batch.labels[task.name], loss, count)

    def compute_metrics(self, split: str) -> Results:
        """Return the metrics of a split so far, and reset them."""
        computed = {task.name: cast(TaskMetrics, self.metrics[f"{split}_{task.name}"]).compute() for task in self.tasks}
        # A task without a labelled row was not measured: a metric of nothing would only mislead.
        return {name: values for name, values in computed.items() if values}

    def progress(self, split: str) -> dict[str, Any]:
        """Return the metrics of a split so far, by task, as :meth:`resume` takes them."""
        return {task.name: cast(TaskMetrics, self.metrics[f"{split}_{task.name}"]).progress() for task in self.tasks}

    def resume(self, split: str, progress: Mapping[str, Any]) -> None:
        """Continue with the metrics of a split where another run left them."""
        for task in self.tasks:
            cast(TaskMetrics, self.metrics[f"{split}_{task.name}"]).resume(progress[task.name])

    def _log_evaluation(self, split: str, name: str) -> None:
        """Keep and log the metrics of a split, calibration included, under a name."""
        results = self.compute_metrics(split)
        for task, fit in self.calibration.items():
            if task in results:
                results[task] |= cast(Fit, fit).compute()
                if split == "validation":
                    results[task] |= cast(Fit, fit).kept()
            cast(Fit, fit).reset()
        self.results[name] = results
        self.log_dict(scalars(name, results))
