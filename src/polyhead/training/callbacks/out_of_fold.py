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
from numpy.typing import NDArray
from torch import Tensor

from polyhead.data.batch import Batch
from polyhead.data.datamodule import SentenceData
from polyhead.sources.base import second_text
from polyhead.storage.output import write_atomically
from polyhead.tasks import Task, answer_cell, is_labelled
from polyhead.training.evaluation import MultiTaskEvaluation


class OutOfFold(Callback):
    """Writes ``oof.csv``: each sentence that is tested with its label and the answer for each task.

    Of single labels it has the probability of the predicted class after the temperature, too. ``row`` is the place of
    the sentence among those that the folds divide, from 1.

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
        positions = data.source.rows_in_pool(split)
        if split != "test" or positions is None:
            return
        tested, order = torch.cat(self._rows).sort()  # all rows, but under limit_test_batches
        rows = tested.numpy()
        columns: dict[str, list[Any]] = {"row": (positions[rows] + 1).tolist(), "fold": [self.fold] * len(rows)}
        sentences = list(data.source.sentences(split))
        columns["text"] = [sentences[row].text for row in rows]
        if data.split(split).second is not None:
            columns["second"] = [second_text(sentences[row]) or "" for row in rows]
        for task in pl_module.tasks:
            labels, logits = data.split(split).labels[task.name][rows], torch.cat(self._logits[task.name])[order]
            found = _columns(task, labels, logits, pl_module.fit_of(task.name))
            columns |= _blanked(found, columns["second"]) if task.kind.is_pair and "second" in columns else found
        with write_atomically(self.folder / "oof.csv") as partial, partial.open("w", encoding="utf-8", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))


def _blanked(columns: dict[str, list[Any]], seconds: list[str]) -> dict[str, list[Any]]:
    """Return the columns of a task about two texts, empty in rows with one."""
    return {
        name: [cell if second else "" for cell, second in zip(cells, seconds, strict=True)]
        for name, cells in columns.items()
    }


def _columns(task: Task, labels: NDArray[Any], logits: Tensor, fit: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a task: labels, answers, and of single labels how probable these are."""
    if task.kind.fits == "temperature":
        shares, classes = (logits / fit["temperature"]).softmax(dim=1).max(dim=1)
        codes = classes.numpy()
        columns = {f"{task.name}_probability": [round(share, 6) for share in shares.tolist()]}
    else:
        codes = task.kind.codes(task.kind.outputs(logits.numpy(), fit), fit)
        columns = {}
    given: list[Any] = [""] * len(labels)
    known = np.flatnonzero(is_labelled(labels))
    for row, answer in zip(known, task.kind.answers(task.labels, task.kind.restore(labels[known])), strict=True):
        given[row] = answer_cell(answer)
    predicted = [answer_cell(answer) for answer in task.kind.answers(task.labels, codes)]
    return {f"{task.name}_label": given, f"{task.name}_predicted": predicted, **columns}
