"""ProbabilityRecorder: the probabilities that each head gives the labelled test sentences.

Shapes: N labelled sentences, C classes.
"""

from collections.abc import Mapping
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from polyhead.data.batch import Batch
from polyhead.tasks import MISSING


class ProbabilityRecorder(Callback):
    """Keeps the probabilities of the sentences that are labelled, of one process.

    Args:
        temperatures: by task; a task without one has 1.
    """

    def __init__(self, temperatures: Mapping[str, float]) -> None:
        self.temperatures = temperatures
        self._probabilities: dict[str, list[Tensor]] = {}
        self._labels: dict[str, list[Tensor]] = {}

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in a batch."""
        for task, logits in cast(Mapping[str, Tensor], outputs).items():
            labels = batch.labels[task]
            scaled = logits[labels != MISSING].float() / self.temperatures.get(task, 1.0)
            self._probabilities.setdefault(task, []).append(scaled.softmax(dim=1).cpu())
            self._labels.setdefault(task, []).append(labels[labels != MISSING].cpu())

    def of(self, task: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the probabilities (N, C) of a task and the true classes (N,)."""
        return torch.cat(self._probabilities[task]).numpy(), torch.cat(self._labels[task]).numpy()
