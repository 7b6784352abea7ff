"""Predictions: which class each head gives each test sentence. Knows nothing about what they are compared with.

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


class Predictions(Callback):
    """Notes labels and predicted classes of the test, row by row, so that runs can be compared sentence by sentence.

    Attributes:
        arrays: ``{test set}/{task}/label`` and ``{test set}/{task}/predicted`` (N,), class indices;
            ``polyhead.tasks.MISSING`` where a sentence has no label, or was left out of the test.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.int16]] = {}
        self._loaders: dict[str, Any] = {}
        self._rows: list[list[list[int]]] = []
        self._classes: list[dict[str, Tensor]] = []

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note which rows each batch will hold."""
        loaders = trainer.test_dataloaders
        self._loaders = loaders if isinstance(loaders, dict) else {"test": loaders}
        self._rows = [list(loader.sampler) for loader in self._loaders.values()]
        self._classes = [
            {task: torch.zeros(len(labels), dtype=torch.int64) for task, labels in loader.dataset.labels.items()}
            for loader in self._loaders.values()
        ]

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note a batch's classes, counted from 1: 0 is for what is never predicted."""
        rows = self._rows[dataloader_idx][batch_idx]
        for task, logits in outputs.items():
            self._classes[dataloader_idx][task][rows] = logits.argmax(dim=1).cpu() + 1

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Join the rows of all processes; each row is in one of them."""
        for (name, loader), classes in zip(self._loaders.items(), self._classes, strict=True):
            for task, noted in classes.items():
                joined = trainer.strategy.reduce(noted.to(pl_module.device), reduce_op="sum")
                predicted = joined.cpu().numpy() - 1 if isinstance(joined, Tensor) else joined
                self.arrays[f"{name}/{task}/label"] = loader.dataset.labels[task].astype(np.int16)
                self.arrays[f"{name}/{task}/predicted"] = np.where(predicted < 0, MISSING, predicted).astype(np.int16)
