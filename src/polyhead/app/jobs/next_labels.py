"""Next labels: the sentences of a table that a model is unsure of, each different, written for a person to label.

Shapes: N candidates.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.builder import plain
from polyhead.app.loaded.later_reading import dialect_of, later_reading
from polyhead.app.loaded.scored_model import ScoredModel
from polyhead.app.loaded.scored_predictor import ScoredPredictor
from polyhead.app.terminal.progress import text_progress
from polyhead.app.terminal.reading_notes import tell_reading
from polyhead.deployment.predictions import Predictions
from polyhead.errors import UserError
from polyhead.inference.candidates import Candidates
from polyhead.inference.selection import pseudo_residuals, select, uncertainty
from polyhead.inference.text_runner import CHUNK
from polyhead.storage.cells import TextColumns, is_blank
from polyhead.storage.row_readers import open_rows
from polyhead.storage.row_writers import open_row_file
from polyhead.storage.rows import Row, RowReader, arrow
from polyhead.tasks import Task


def run(scored: ScoredModel, config: DictConfig) -> None:
    """Write the sentences to label next, the most useful first.

    Raises:
        UserError: the table cannot be read, or has no sentence that could be chosen.
    """
    reading = later_reading(scored, config)
    with open_rows(config.input, config.input_format, dialect_of(reading)) as reader:
        reader.check(reading["text"])
        types = _types(reader, scored.tasks) if config.output.endswith(".parquet") else {}
        ours = ["rank", "uncertainty", *(column for task in scored.tasks for column in _names(task))]
        _check_names(reader.columns or (), ours)  # of JSON lines each row has names of its own
        with open_row_file(config.output, config.overwrite, types, [*(reader.columns or ()), *ours]) as file:
            candidates = Candidates(_labelled_texts(reading, config))
            predictor = ScoredPredictor(scored, torch.device(hardware.device_type(config.device)))
            _collect(candidates, reader, reading["text"], predictor, ours)
            if not candidates.rows:
                raise UserError(f"input: no sentence to choose in {config.input!r}: {_summary(candidates)}")
            chosen = select(candidates.embeddings, candidates.residuals, config.count)
            rows = [candidates.rows[index] for index in chosen]
            rows.sort(key=lambda row: -row["uncertainty"])
            file.append([_ranked(row, rank) for rank, row in enumerate(rows, start=1)])
    tell_reading(reader)
    fewer = f", all there are of count={config.count}" if len(rows) < config.count else ""
    cut = f", {predictor.truncated:,} of them cut" if predictor.truncated else ""
    print(
        f"{len(rows):,} sentences to label{fewer}, written to {config.output}: {_summary(candidates)}{cut}",
        file=sys.stderr,
    )


def _collect(
    candidates: Candidates, reader: RowReader, columns: TextColumns, predictor: ScoredPredictor, ours: Sequence[str]
) -> None:
    """Predict all rows with a text, and hold those that may be chosen; ``ours`` are the columns that they get."""
    with text_progress() as progress:
        bar = progress.add_task("predicting", total=reader.size, rows=0)
        for chunk in _chunks(reader):
            pairs = [(row, reader.text_of(number, row, columns)) for number, row in chunk]
            filled = [(row, text) for row, text in pairs if text is not None and not is_blank(text)]
            _check_names({name for row, _ in filled for name in row}, ours)
            texts = [text for _, text in filled]
            predictions = predictor.predict(texts)
            shares = [predictions.probabilities[task.name] for task in predictor.tasks]
            rows = _with_predictions([row for row, _ in filled], predictions)
            candidates.add(rows, texts, predictions.embeddings, pseudo_residuals(shares))
            progress.update(bar, completed=reader.position, rows=candidates.seen)


def _chunks(reader: RowReader) -> Iterator[list[tuple[int, Row]]]:
    """Yield the rows and their numbers, some at a time."""
    remaining = iter(reader)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _labelled_texts(reading: dict[str, Any], config: DictConfig) -> Iterator[str]:
    """Yield the texts that are labelled already."""
    given = plain(config)["labelled"]
    for name in [given] if isinstance(given, str) else given or ():
        with open_rows(name, dialect=dialect_of(reading)) as reader:
            reader.check(reading["text"])
            for number, row in reader:
                text = reader.text_of(number, row, reading["text"])
                if text is not None and not is_blank(text):
                    yield text


def _with_predictions(rows: Sequence[Row], predictions: Predictions) -> list[Row]:
    """Return rows with how unsure the model is, and for each task its label and how probable that is."""
    shares = [predictions.probabilities[task.name] for task in predictions.tasks]
    columns: dict[str, list[Any]] = {"uncertainty": uncertainty(shares).tolist()}
    for task in predictions.tasks:
        label, probability = _names(task)
        columns[label] = predictions.labels(task.name)
        columns[probability] = predictions.probabilities[task.name].max(axis=1).tolist()
    values = zip(*columns.values(), strict=True)
    return [row | dict(zip(columns, some, strict=True)) for row, some in zip(rows, values, strict=True)]


def _ranked(row: Row, rank: int) -> Row:
    return {"rank": rank, **row}


def _names(task: Task) -> tuple[str, str]:
    return f"predicted_{task.name}", f"predicted_{task.name}_probability"


def _check_names(theirs: Iterable[str], ours: Sequence[str]) -> None:
    taken = sorted(set(theirs) & set(ours))
    if taken:
        raise UserError(f"input: it has a column {taken[0]!r} already, which would be overwritten; rename it")


def _types(reader: RowReader, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return the Arrow types of the columns that are known: those of the input, where it has a schema, and ours."""
    pa = arrow("output")
    types = dict.fromkeys(reader.columns or (), pa.string())  # lines and CSV have texts alone
    types |= {field.name: field.type for field in reader.schema or ()}
    types |= {"rank": pa.int64(), "uncertainty": pa.float32()}
    for task in tasks:
        types |= dict(zip(_names(task), (pa.string(), pa.float32()), strict=True))
    return types


def _summary(candidates: Candidates) -> str:
    known = f", {candidates.repeated:,} of them repeated or labelled already" if candidates.repeated else ""
    held = len(candidates.rows)
    sample = f", {held:,} of them drawn at random" if held + candidates.repeated < candidates.seen else ""
    return f"from {candidates.seen:,} with a text{known}{sample}"
