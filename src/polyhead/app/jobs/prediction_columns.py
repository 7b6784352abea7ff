"""Prediction columns: what a table gets beside its own, and their types in Parquet. Knows nothing about files."""

from typing import Any

import numpy as np
from omegaconf import DictConfig

from polyhead.app.jobs.pair_columns import with_gaps
from polyhead.deployment.predictions import Floats, Predictions
from polyhead.deployment.selection import Selection
from polyhead.storage.rows import RowReader, arrow
from polyhead.tasks import Task, answer_cell


def prediction_columns(
    predictions: Predictions, selection: Selection, config: DictConfig, output: str
) -> dict[str, list[Any]]:
    """Return the columns of predictions.

    Args:
        predictions: of some rows.
        selection: what is answered.
        config: of the command.
        output: name of the file that they are for.
    """
    columns: dict[str, list[Any]] = {}
    for task in predictions.tasks:
        if task.kind.fits != "temperature":
            columns |= _other_columns(task, predictions, config, output)
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


def _other_columns(task: Task, predictions: Predictions, config: DictConfig, output: str) -> dict[str, list[Any]]:
    """Return the columns of a task that is not of single labels: its answers, and probabilities of classes."""
    answers = predictions.labels(task.name)
    if output.endswith(".csv"):  # a cell holds no list
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


def column_types(reader: RowReader, tasks: tuple[Task, ...], config: DictConfig) -> dict[str, Any]:
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
