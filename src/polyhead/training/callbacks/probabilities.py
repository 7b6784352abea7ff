"""ProbabilityRecorder: the probabilities that each head of single labels gives the labelled test sentences.

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
from polyhead.training.evaluation import MultiTaskEvaluation


class ProbabilityRecorder(Callback):
    """Keeps the probabilities of the sentences that are labelled, of one process.

    Args:
        fits: what validation fitted, by task; a task of single labels without a temperature has 1.
    """

    def __init__(self, fits: Mapping[str, Mapping[str, Any]]) -> None:
        self.fits = fits
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
        kinds = {task.name: task.kind for task in cast(MultiTaskEvaluation, pl_module).tasks}
        for task, logits in cast(Mapping[str, Tensor], outputs).items():
            if kinds[task].fits != "temperature":
                continue
            labels = batch.labels[task]
            scaled = logits[labels != MISSING].float() / self.fits.get(task, {}).get("temperature", 1.0)
            self._probabilities.setdefault(task, []).append(scaled.softmax(dim=1).cpu())
            self._labels.setdefault(task, []).append(labels[labels != MISSING].cpu())

    def of(self, task: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the probabilities (N, C) of a task and the true classes (N,)."""
        return torch.cat(self._probabilities[task]).numpy(), torch.cat(self._labels[task]).numpy()
