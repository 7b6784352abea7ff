"""PredictionRecorder: the answer of each head for each test sentence. Knows nothing about what they are compared with.

Shapes: N sentences of a test set, C classes.
"""

from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from polyhead.tasks import Task
from polyhead.training.evaluation import MultiTaskEvaluation


class PredictionRecorder(Callback):
    """Records labels and answers of each test set, row by row, so that runs compare sentence by sentence.

    Attributes:
        labels: test set -> task -> class index (N,), number (N,), or a 0 or 1 for each class (N, C); missing where a
            sentence has no label, see :func:`polyhead.tasks.is_labelled`.
        predicted: the same of the predictions; missing where a sentence was left out of the test.
    """

    def __init__(self) -> None:
        self.labels: dict[str, dict[str, NDArray[Any]]] = {}
        self.predicted: dict[str, dict[str, NDArray[Any]]] = {}
        self._codes: dict[str, Tensor] = {}
        self._seen = torch.empty(0)

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start a column with a place for every row of the test set."""
        labels = trainer.test_dataloaders.dataset.labels  # type: ignore[union-attr]
        kinds = {"f": torch.float32, "i": torch.int64}
        self._codes = {
            task: torch.zeros(column.shape, dtype=kinds[column.dtype.kind]) for task, column in labels.items()
        }
        self._seen = torch.zeros(len(trainer.test_dataloaders.dataset), dtype=torch.int64)  # type: ignore[union-attr]

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Record the answers for a batch."""
        rows = batch.rows.cpu()
        self._seen[rows] = 1
        module = cast(MultiTaskEvaluation, pl_module)
        for task in module.tasks:
            codes = _codes(task, outputs[task.name], module)
            if codes.shape[1:] != self._codes[task.name].shape[1:]:  # as wide as the encoder makes them
                self._codes[task.name] = torch.zeros(len(self._seen), *codes.shape[1:])
            self._codes[task.name][rows] = codes.to(self._codes[task.name].dtype)

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Join the rows of all processes; each row is in one of them."""
        columns = trainer.test_dataloaders.dataset.labels  # type: ignore[union-attr]
        test_set = str(pl_module.evaluated_split)
        labels = self.labels[test_set] = {}
        predictions = self.predicted[test_set] = {}
        seen = self._joined(trainer, pl_module, self._seen) > 0
        for task in cast(MultiTaskEvaluation, pl_module).tasks:
            predicted = self._joined(trainer, pl_module, self._codes[task.name])
            if task.kind.is_judged_whole:
                predicted = task.kind.judged(predicted, columns[task.name])
            predicted[~seen] = task.kind.missing(task.labels)
            kept = np.float32 if predicted.dtype.kind == "f" else np.int16
            labels[task.name] = task.kind.restore(columns[task.name]).astype(kept)
            predictions[task.name] = predicted.astype(kept)

    def _joined(self, trainer: L.Trainer, module: L.LightningModule, values: Tensor) -> NDArray[Any]:
        joined = trainer.strategy.reduce(values.to(module.device), reduce_op="sum")
        found: NDArray[Any] = cast(Tensor, joined).cpu().numpy()
        return found


def _codes(task: Task, logits: Tensor, module: MultiTaskEvaluation) -> Tensor:
    """Return the answers for a batch, as :meth:`polyhead.tasks.Kind.codes` has them."""
    if task.kind.is_judged_whole:
        return logits.float().cpu()
    if task.kind.one_class:
        return task.kind.estimates(logits).cpu()
    fit = module.fit_of(task.name)
    outputs = task.kind.outputs(logits.float().cpu().numpy(), fit)
    return torch.from_numpy(task.kind.codes(outputs, fit))
