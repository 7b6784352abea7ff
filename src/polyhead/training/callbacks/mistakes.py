"""Mistakes: the test sentences that a task of single labels got wrong most surely. Knows nothing about training.

Shapes: B sentences of a batch, C classes, n mistakes.
"""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from polyhead.data.batch import Batch
from polyhead.data.datamodule import SentenceData
from polyhead.errors import check_parameters
from polyhead.sources.base import Source, second_text
from polyhead.tasks import MISSING, Task
from polyhead.training.evaluation import MultiTaskEvaluation
from polyhead.training.loggers import log_table

_SHOWN = 300  # characters of a sentence in a logger's table; the file has all
_COLUMNS = ("probability", "predicted", "label", "text", "place")  # of that table


@dataclass(frozen=True)
class Mistake:
    """A sentence with a wrong prediction.

    Args:
        task: whose prediction.
        label: that the sentence carries.
        predicted: class with the highest probability.
        probability: of the predicted class, as the model gives it.
        place: where a person finds the sentence.
        text: the sentence.
    """

    task: str
    label: str
    predicted: str
    probability: float
    place: str
    text: str


class SurestMistakes:
    """The ``count`` surest mistakes among all rows that it is given, surest first."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.found = torch.empty(0, 4, dtype=torch.float64)  # probability, row, label, prediction

    def update(self, logits: Tensor, labels: Tensor, rows: Tensor) -> None:
        """Take in the mistakes among logits (B, C) for the sentences ``rows`` (B,) with ``labels`` (B,)."""
        logits, labels, rows = logits.cpu(), labels.cpu(), rows.cpu()
        probabilities, predictions = logits.double().softmax(dim=1).max(dim=1)
        wrong = (predictions != labels) & (labels != MISSING)
        columns = (probabilities, rows, labels, predictions)
        self.add(torch.stack([column[wrong].double() for column in columns], dim=1))

    def add(self, mistakes: Tensor) -> None:
        """Take in mistakes (n, 4), such as those that another process found."""
        known = torch.cat([self.found, mistakes])
        by_row = known[known[:, 1].argsort()]  # among equals the first row comes first, whatever order they came in
        surest_first = by_row[:, 0].argsort(descending=True, stable=True)
        self.found = by_row[surest_first][: self.count]


class Mistakes(Callback):
    """Writes the surest mistakes to ``mistakes.csv`` (``mistakes_NAME.csv``), and gives them to the loggers.

    Args:
        count: mistakes of each task.
        folder: where the file is written.

    Raises:
        ParameterError: a count below 1.
    """

    def __init__(self, count: int = 20, *, folder: str) -> None:
        check_parameters(("count", count, count >= 1, "1 or more"))
        self.count = count
        self.folder = Path(folder)
        self.found: dict[str, SurestMistakes] = {}

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the mistakes of the test set before."""
        self.found = {}

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in the mistakes of a batch."""
        if not (isinstance(outputs, Mapping) and isinstance(pl_module, MultiTaskEvaluation) and batch.rows is not None):
            return
        for task in pl_module.tasks:
            if task.kind.fits == "temperature":  # of other kinds an answer is not right or wrong with a probability
                mistakes = self.found.setdefault(task.name, SurestMistakes(self.count))
                mistakes.update(outputs[task.name], batch.labels[task.name], batch.rows)

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write and show the mistakes that all processes together found."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(pl_module, MultiTaskEvaluation) or not isinstance(data, SentenceData):
            return
        if trainer.world_size > 1:
            for mistakes in self.found.values():
                mistakes.add(_others(mistakes, pl_module))
        if not trainer.is_global_zero:
            return
        test_set = pl_module.evaluated_split
        listed = list_mistakes(self.found, pl_module.tasks, data.source, test_set)
        write_mistakes(self.folder / file_name(test_set), listed)
        by_task: dict[str, list[Mistake]] = {}  # without the tasks that have no labels here
        for mistake in listed:
            by_task.setdefault(mistake.task, []).append(mistake)
        for task, mistakes_of_task in by_task.items():
            log_table(trainer, f"{test_set}/{task}/mistakes", _COLUMNS, table_rows(mistakes_of_task))


def file_name(test_set: str) -> str:
    """Return the name of a test set's file."""
    return "mistakes.csv" if test_set == "test" else f"mistakes_{test_set}.csv"


def list_mistakes(
    found: Mapping[str, SurestMistakes], tasks: Sequence[Task], source: Source, split: str
) -> list[Mistake]:
    """Look up the sentences and their labels, task by task."""
    wanted = {int(row) for mistakes in found.values() for row in mistakes.found[:, 1]}
    texts = _texts_of(wanted, source, split)
    listed = []
    for task in tasks:
        rows = found[task.name].found.tolist() if task.name in found else []
        for probability, row, label, predicted in rows:
            listed.append(
                Mistake(
                    task=task.name,
                    label=task.labels[int(label)],
                    predicted=task.labels[int(predicted)],
                    probability=round(probability, 6),
                    place=source.locate(split, int(row)),
                    text=texts[int(row)],
                )
            )
    return listed


def _texts_of(rows: Collection[int], source: Source, split: str) -> dict[int, str]:
    """Return the sentences of some rows, of pairs with a slash between the two; what comes after them is not read."""
    last = max(rows, default=-1)
    texts = {}
    for row, sentence in enumerate(source.sentences(split)):
        if row in rows:
            second = second_text(sentence)
            texts[row] = sentence.text if second is None else f"{sentence.text} / {second}"
        if row >= last:
            break
    return texts


def write_mistakes(path: Path, mistakes: Iterable[Mistake]) -> None:
    """Write a CSV file with a row for each mistake."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Mistake)])
        writer.writerows(astuple(mistake) for mistake in mistakes)


def table_rows(mistakes: Iterable[Mistake]) -> list[list[str]]:
    """Lay mistakes out as the rows of a table that loggers show."""
    rows = []
    for mistake in mistakes:
        text = mistake.text if len(mistake.text) <= _SHOWN else mistake.text[:_SHOWN] + "…"
        rows.append([f"{mistake.probability:.3f}", mistake.predicted, mistake.label, text, mistake.place])
    return rows


def _others(mistakes: SurestMistakes, module: L.LightningModule) -> Tensor:
    """Return the mistakes (n, 4) that the other processes found."""
    padded = torch.full((mistakes.count, 4), -1.0, dtype=torch.float64, device=module.device)
    padded[: len(mistakes.found)] = mistakes.found.to(module.device)
    gathered = cast(Tensor, module.all_gather(padded))  # (processes, count, 4)
    others = torch.cat([part for rank, part in enumerate(gathered) if rank != module.global_rank]).cpu()
    return others[others[:, 0] >= 0]
