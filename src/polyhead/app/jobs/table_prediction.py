"""The prediction of one table: its rows in, the same rows with their predictions out, some at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from omegaconf import DictConfig

from polyhead.app.config.builder import plain
from polyhead.app.jobs.pair_columns import check_pair, second_texts
from polyhead.app.jobs.prediction_columns import column_types, prediction_columns
from polyhead.deployment.predictions import Predictions
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError
from polyhead.inference.text_runner import CHUNK
from polyhead.storage.cells import is_blank
from polyhead.storage.row_writers import open_row_file
from polyhead.storage.rows import Row, RowReader

_SHOWN = 3  # rows without a text that are named

Report = Callable[[RowReader, int], None]
"""Hears of the reader and the rows that are done."""


@dataclass
class TableCounts:
    """What a table was.

    Args:
        rows: that it had.
        cut: texts that were cut to the longest that the model reads.
        blank: rows without a text, and so without a prediction.
        first_blank: numbers of the first of them.
    """

    rows: int = 0
    cut: int = 0
    blank: int = 0
    first_blank: list[int] = field(default_factory=list)

    def add(self, other: "TableCounts") -> None:
        """Count another table, too; its rows have numbers of their own."""
        self.rows, self.cut, self.blank = self.rows + other.rows, self.cut + other.cut, self.blank + other.blank

    def odd(self, limit: str) -> str:
        """Return what is odd, for the end of a line."""
        cut = f", {self.cut:,} of them cut to {limit}" if self.cut else ""
        if not self.blank:
            return cut
        places = f": row {', '.join(map(str, self.first_blank))}" if self.first_blank else ""
        return f"{cut}; no text, and so no prediction, in {self.blank:,} of them{places}"


def load_predictor(config: DictConfig) -> Predictor:
    """Load the model.

    Raises:
        UserError: it is no bundle, or cannot do what is asked for.
    """
    predictor = Predictor.load(
        config.model, config.backend, config.precision, config.device, dimensions=config.dimensions
    )
    check_pair(config.pair, predictor.tasks)
    return predictor


class TablePrediction:
    """Predicts tables, one after the other.

    Args:
        config: of the command.
        predictor: its model.

    Raises:
        UserError: the model cannot promise what is asked for.
    """

    def __init__(self, config: DictConfig, predictor: Predictor) -> None:
        self.config = config
        self.predictor = predictor
        self.selection = predictor.select(coverage=plain(config)["coverage"], accuracy=plain(config)["accuracy"])

    @property
    def limit(self) -> str:
        """What a text can have at most, in words."""
        return self.predictor.runner.tokenizer.limit

    def run(self, reader: RowReader, output: str, overwrite: bool, report: Report | None = None) -> TableCounts:
        """Predict all rows of a table, and write them with their predictions, whole or not at all.

        Raises:
            UserError: the table lacks a column, or has one that predictions would overwrite; a row has something else
                than a text; or the output cannot be written.
        """
        config = self.config
        reader.check(config.text)
        if config.pair is not None:
            reader.check(config.pair)
        types = column_types(reader, self.predictor.tasks, config) if output.endswith(".parquet") else {}
        theirs, ours = reader.columns or (), list(self._columns([], [], output))
        _check_names(theirs, ours)
        counts, cut_before = TableCounts(), self.predictor.truncated
        with open_row_file(output, overwrite, types, [*theirs, *ours]) as file:
            for chunk in _chunks(reader):
                texts = [reader.text_of(number, row, config.text) for number, row in chunk]
                seconds = second_texts(reader, chunk, config.pair)
                filled = [text for text in texts if text is not None and not is_blank(text)]
                beside = [second for second, text in zip(seconds, texts, strict=True) if not is_blank(text)]
                blank = [number for (number, _), text in zip(chunk, texts, strict=True) if is_blank(text)]
                counts.first_blank = [*counts.first_blank, *blank][:_SHOWN]
                gaps = [is_blank(text) for text in texts]
                file.append(_joined([row for _, row in chunk], self._columns(filled, beside, output), gaps))
                counts.rows, counts.blank = counts.rows + len(chunk), counts.blank + len(blank)
                if report is not None:
                    report(reader, counts.rows)
        counts.cut = self.predictor.truncated - cut_before
        return counts

    def _columns(self, texts: list[str], seconds: Sequence[str | None], output: str) -> dict[str, list[Any]]:
        return prediction_columns(self._predict(texts, seconds), self.selection, self.config, output)

    def _predict(self, texts: list[str], seconds: Sequence[str | None]) -> Predictions:
        """Predict texts, with their second ones where a column has them."""
        return self.predictor.predict(texts) if self.config.pair is None else self.predictor.predict(texts, seconds)


def _chunks(reader: RowReader) -> Iterator[list[tuple[int, Row]]]:
    """Yield the rows and their numbers, some at a time."""
    remaining = iter(reader)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _joined(rows: list[Row], columns: dict[str, list[Any]], gaps: Sequence[bool]) -> list[Row]:
    """Return the rows with the predictions as further columns, null where there is none.

    Args:
        rows: of the input.
        columns: of the predictions.
        gaps: True for a row that has no prediction.

    Raises:
        UserError: the input has a column of the same name already.
    """
    _check_names({name for row in rows for name in row}, columns)
    predicted = zip(*columns.values(), strict=True)
    nothing = dict.fromkeys(columns)
    joined = []
    for row, is_gap in zip(rows, gaps, strict=True):
        joined.append(row | (nothing if is_gap else dict(zip(columns, next(predicted), strict=True))))
    return joined


def _check_names(theirs: Iterable[str], ours: Iterable[str]) -> None:
    taken = sorted(set(theirs) & set(ours))
    if taken:
        raise UserError(
            f"input: it has a column {taken[0]!r} already, which the predictions would overwrite; rename it"
        )
