"""Shard worker: one model, and one shard after the other; in whichever process. Knows nothing about the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from polyhead.app.jobs.table_options import read_dialect
from polyhead.app.jobs.table_prediction import TableCounts, TablePrediction, load_predictor
from polyhead.app.terminal.reading_notes import reading_notes
from polyhead.errors import UserError
from polyhead.storage.row_readers import open_rows


@dataclass(frozen=True)
class Shard:
    """A table that is predicted.

    Args:
        input: its absolute path.
        output: that of its predictions.
    """

    input: str
    output: str


@dataclass(frozen=True)
class ShardResult:
    """What became of a shard.

    Args:
        counts: of its rows.
        notes: about how it was read.
        problem: why there are no predictions; None where there are.
        limit: the most that the model reads of a text, in words.
    """

    counts: TableCounts = field(default_factory=TableCounts)
    notes: tuple[str, ...] = ()
    problem: str | None = None
    limit: str = ""


class ShardWorker:
    """Predicts shards. One that is there already is left as it is, so that a task may be given twice.

    Args:
        options: of the command.

    Raises:
        UserError: the model cannot be loaded, or cannot do what is asked for.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.config = OmegaConf.create(dict(options))
        self.prediction = TablePrediction(self.config, load_predictor(self.config))

    def predict(self, shard: Shard) -> ShardResult:
        """Predict a shard; a problem with it is part of the result."""
        if Path(shard.output).exists():  # by a worker that died before it could say so
            return ShardResult(TableCounts(rows=_rows(shard.output)))
        try:
            with open_rows(shard.input, dialect=read_dialect(self.config)) as reader:
                counts = self.prediction.run(reader, shard.output, overwrite=False)
                counts.first_blank = []  # rows of one shard among many
                return ShardResult(counts, tuple(reading_notes(reader)), limit=self.prediction.limit)
        except UserError as error:
            name = shard.input
            problem = str(error) if name in str(error) else f"{name}: {error}"
            return ShardResult(problem=problem)


def _rows(path: str) -> int:
    with open_rows(path) as reader:
        return sum(1 for _ in reader)
