"""PredictionRecorder: which class each head gives each test sentence. Knows nothing about what they are compared with.

Shapes: N sentences of a test set.
"""

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from polyhead.tasks import MISSING


class PredictionRecorder(Callback):
    """Records labels and predicted classes of each test set, row by row, so that runs compare sentence by sentence.

    Attributes:
        labels: test set -> task -> class index (N,); ``polyhead.tasks.MISSING`` where a sentence has no label.
        predicted: the same of the predictions; ``MISSING`` where a sentence was left out of the test.
    """

    def __init__(self) -> None:
        self.labels: dict[str, dict[str, NDArray[np.int16]]] = {}
        self.predicted: dict[str, dict[str, NDArray[np.int16]]] = {}
        self._classes: dict[str, Tensor] = {}

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start a column with a place for every row of the test set."""
        labels = trainer.test_dataloaders.dataset.labels  # type: ignore[union-attr]
        self._classes = {task: torch.zeros(len(column), dtype=torch.int64) for task, column in labels.items()}

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Record a batch's classes, counted from 1: 0 is for rows that are never predicted."""
        for task, logits in outputs.items():
            self._classes[task][batch.rows.cpu()] = logits.argmax(dim=1).cpu() + 1

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Join the rows of all processes; each row is in one of them."""
        columns = trainer.test_dataloaders.dataset.labels  # type: ignore[union-attr]
        test_set = str(pl_module.evaluated_split)
        labels = self.labels[test_set] = {}
        predictions = self.predicted[test_set] = {}
        for task, classes in self._classes.items():
            joined = trainer.strategy.reduce(classes.to(pl_module.device), reduce_op="sum")
            predicted = joined.cpu().numpy() - 1 if isinstance(joined, Tensor) else joined
            labels[task] = columns[task].astype(np.int16)
            predictions[task] = np.where(predicted < 0, MISSING, predicted).astype(np.int16)
