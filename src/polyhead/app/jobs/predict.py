"""One prediction, from its configuration to its file: read rows, predict, write them with their predictions."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.builder import plain
from polyhead.app.config.options import check_options
from polyhead.app.jobs.pair_columns import check_pair, second_texts, with_gaps
from polyhead.app.jobs.table_options import TABLE_OPTIONS, read_dialect
from polyhead.app.terminal.progress import text_progress
from polyhead.app.terminal.reading_notes import tell_reading
from polyhead.deployment.predictions import Floats, Predictions
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.selection import Selection, check_wanted
from polyhead.errors import UserError, check_parameters
from polyhead.inference.text_runner import CHUNK
from polyhead.storage.cells import is_blank
from polyhead.storage.row_readers import open_rows
from polyhead.storage.row_writers import open_row_file
from polyhead.storage.rows import Row, RowReader, arrow
from polyhead.tasks import Task, answer_cell

_SHOWN = 3  # rows without a text that are named


def run(config: DictConfig) -> None:
    """Predict every row of the input and write it with the predictions.

    Raises:
        UserError: the configuration has problems, or a row has something else than a text.
    """
    hardware.keep_freed_memory()
    check_options(
        config,
        sections=(),
        model=str,
        input=str,
        pair=str | None,
        output=str,
        overwrite=bool,
        all_probabilities=bool,
        embeddings=bool,
        top_k=int,
        coverage=float | Mapping | None,
        accuracy=float | Mapping | None,
        backend=str,
        precision=str,
        device=str,
        dimensions=int | None,
        **TABLE_OPTIONS,
    )
    if config.embeddings and config.output.endswith(".csv"):
        raise UserError("embeddings: a CSV cell holds no list; write .jsonl or .parquet, or set embeddings=false")
    check_parameters(("top_k", config.top_k, config.top_k >= 1, "1 or more"))
    wanted = {name: plain(config)[name] for name in ("coverage", "accuracy")}
    check_wanted(**wanted)
    dialect = read_dialect(config)
    with open_rows(config.input, config.input_format, dialect) as reader:
        reader.check(config.text)
        predictor = Predictor.load(
            config.model, config.backend, config.precision, config.device, dimensions=config.dimensions
        )
        check_pair(config.pair, predictor)
        if config.pair is not None:
            reader.check(config.pair)
        selection = predictor.select(**wanted)
        types = _types(reader, predictor.tasks, config) if config.output.endswith(".parquet") else {}
        theirs, ours = reader.columns or (), list(_columns(_predict(predictor, [], [], config), selection, config))
        _check_names(theirs, ours)
        started, rows = time.perf_counter(), 0
        blank: list[int] = []
        with (
            open_row_file(config.output, config.overwrite, types, [*theirs, *ours]) as file,
            text_progress() as progress,
        ):
            bar = progress.add_task("predicting", total=reader.size, rows=0)
            for chunk in _chunks(reader):
                texts = [reader.text_of(number, row, config.text) for number, row in chunk]
                seconds = second_texts(reader, chunk, config.pair)
                filled = [text for text in texts if text is not None and not is_blank(text)]
                beside = [second for second, text in zip(seconds, texts, strict=True) if not is_blank(text)]
                blank += [number for (number, _), text in zip(chunk, texts, strict=True) if is_blank(text)]
                columns = _columns(_predict(predictor, filled, beside, config), selection, config)
                gaps = [is_blank(text) for text in texts]
                file.append(_joined([row for _, row in chunk], columns, gaps))
                rows += len(chunk)
                progress.update(bar, completed=reader.position, rows=rows)
    cut = f", {predictor.truncated:,} of them cut to {predictor.runner.tokenizer.limit}" if predictor.truncated else ""
    rate = rows / (time.perf_counter() - started)
    if blank:
        cut += f"; no text, and so no prediction, in {len(blank):,} of them: row {', '.join(map(str, blank[:_SHOWN]))}"
    tell_reading(reader)
    print(f"{rows:,} texts predicted, written to {config.output}: {rate:,.0f} per second{cut}", file=sys.stderr)


def _predict(predictor: Predictor, texts: list[str], seconds: Sequence[str | None], config: DictConfig) -> Predictions:
    """Predict texts, with their second ones where a column has them."""
    return predictor.predict(texts) if config.pair is None else predictor.predict(texts, seconds)


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


def _columns(predictions: Predictions, selection: Selection, config: DictConfig) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for task in predictions.tasks:
        if task.kind.fits != "temperature":
            columns |= _other_columns(task, predictions, config)
            continue
        probabilities = predictions.probabilities[task.name]  # (N, C)
        answered = selection.answered(task, probabilities)
        labels = zip(predictions.labels(task.name), answered, strict=True)
        found: dict[str, list[Any]] = {}
        found[f"predicted_{task.name}"] = [label if is_answer else None for label, is_answer in labels]
        found[f"predicted_{task.name}_probability"] = probabilities.max(axis=1).tolist()
        if task.name in selection.least_in_set:
            found[f"predicted_{task.name}_set"] = selection.label_sets(task, probabilities)
        found |= _runners_up(task, probabilities, config.top_k)
        if config.all_probabilities:
            for label, shares in zip(task.labels, probabilities.T, strict=True):
                found[f"predicted_{task.name}_probability_{label}"] = shares.tolist()
        columns |= with_gaps(found, np.isnan(probabilities[:, 0])) if task.kind.is_pair else found
    if config.embeddings:
        columns["embedding"] = predictions.embeddings.tolist()
    return columns


def _other_columns(task: Task, predictions: Predictions, config: DictConfig) -> dict[str, list[Any]]:
    """Return the columns of a task that is not of single labels: its answers, and probabilities of classes."""
    answers = predictions.labels(task.name)
    if config.output.endswith(".csv"):  # a cell holds no list
        answers = [answer_cell(answer) for answer in answers]
    columns = {f"predicted_{task.name}": answers}
    probabilities = predictions.probabilities.get(task.name)
    if task.kind.one_class:
        columns[f"predicted_{task.name}_probability"] = predictions.confidences(task).tolist()
    if config.all_probabilities and probabilities is not None:
        for label, shares in zip(task.labels, probabilities.T, strict=True):
            columns[f"predicted_{task.name}_probability_{label}"] = shares.tolist()
    return columns


def _runners_up(task: Task, probabilities: Floats, top_k: int) -> dict[str, list[Any]]:
    """Return the second class to the ``top_k``-th, by probabilities (N, C), and how probable each is."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]  # (N, k)
    columns: dict[str, list[Any]] = {}
    for place, classes in enumerate(order.T[1:], start=2):
        columns[f"predicted_{task.name}_top{place}"] = [task.labels[index] for index in classes]
        shares = np.take_along_axis(probabilities, classes[:, None], axis=1)[:, 0]
        columns[f"predicted_{task.name}_top{place}_probability"] = shares.tolist()
    return columns


def _types(reader: RowReader, tasks: tuple[Task, ...], config: DictConfig) -> dict[str, Any]:
    """Return the Arrow types of the columns that are known: those of the input, where it has a schema, and ours."""
    pa = arrow("output")
    types = dict.fromkeys(reader.columns or (), pa.string())  # lines and CSV have texts alone
    types |= {field.name: field.type for field in reader.schema or ()}
    for task in tasks:
        types[f"predicted_{task.name}"] = _answer_type(task)
        types[f"predicted_{task.name}_set"] = pa.list_(pa.string())
        for place in range(2, min(config.top_k, len(task.labels)) + 1):
            types[f"predicted_{task.name}_top{place}"] = pa.string()
            types[f"predicted_{task.name}_top{place}_probability"] = pa.float32()
        for suffix in ("", *(f"_{label}" for label in task.labels)):
            types[f"predicted_{task.name}_probability{suffix}"] = pa.float32()
    if config.embeddings:
        types["embedding"] = pa.list_(pa.float32())
    return types


def _answer_type(task: Task) -> Any:
    """Return the Arrow type of a task's answers: a text, a number, or a list of texts."""
    pa = arrow("output")
    if not task.kind.has_classes:
        return pa.float32()
    return pa.string() if task.kind.one_class else pa.list_(pa.string())
