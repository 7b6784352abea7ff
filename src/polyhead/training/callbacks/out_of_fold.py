"""OutOfFold: the prediction for each sentence of a test fold, as a table. Knows nothing about other folds.

Shapes: N sentences of the fold, B sentences of a batch, C classes.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from polyhead.data.batch import Batch
from polyhead.data.datamodule import SentenceData
from polyhead.storage.output import write_atomically
from polyhead.tasks import MISSING
from polyhead.training.calibration import Calibration
from polyhead.training.evaluation import MultiTaskEvaluation


class OutOfFold(Callback):
    """Writes ``oof.csv``: each test sentence with its label, predicted class and probability for each task.

    The probability is that of the predicted class after the temperature. ``row`` is the place of the sentence among
    those that the folds divide, from 1.

    Args:
        folder: where the file is written.
        fold: number of the fold, a column of the file.
    """

    def __init__(self, folder: Path, fold: int) -> None:
        self.folder = folder
        self.fold = fold
        self._logits: dict[str, list[Tensor]] = {}
        self._rows: list[Tensor] = []

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the test set before."""
        self._logits, self._rows = {}, []

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in the logits of a batch."""
        self._rows.append(cast(Tensor, batch.rows).cpu())
        for task, logits in cast(Mapping[str, Tensor], outputs).items():
            self._logits.setdefault(task, []).append(logits.float().cpu())

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not (isinstance(pl_module, MultiTaskEvaluation) and isinstance(data, SentenceData)):
            return
        split = pl_module.evaluated_split
        order = torch.cat(self._rows).argsort()
        positions = data.source.rows_in_pool(split)
        if split != "test" or positions is None:
            return
        columns: dict[str, list[Any]] = {"row": (positions + 1).tolist(), "fold": [self.fold] * len(positions)}
        columns["text"] = [sentence.text for sentence in data.source.sentences(split)]
        for task in pl_module.tasks:
            temperature = cast(Calibration, pl_module.calibration[task.name]).temperature.cpu()
            shares, predicted = (torch.cat(self._logits[task.name])[order] / temperature).softmax(dim=1).max(dim=1)
            names = np.array([*task.labels, ""], dtype=object)  # the last for no label
            labels = data.split(split).labels[task.name]
            columns[f"{task.name}_label"] = names[np.where(labels == MISSING, -1, labels)].tolist()
            columns[f"{task.name}_predicted"] = names[predicted.numpy()].tolist()
            columns[f"{task.name}_probability"] = [round(share, 6) for share in shares.tolist()]
        with write_atomically(self.folder / "oof.csv") as partial, partial.open("w", encoding="utf-8", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
