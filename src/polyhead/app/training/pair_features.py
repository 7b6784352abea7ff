"""Pair features: embeddings of a split's rows, and of pairs what the heads of their tasks are given.

Shapes: N rows of a split, n of them, H units of an embedding, F features.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.freezing.frozen_activations import FrozenActivations
from polyhead.tasks import Task, is_labelled
from polyhead.training.penalty_trial import LabeledEmbeddings
from polyhead.training.start_rows import choose_rows

Rows = NDArray[np.integer[Any]]


def read_pairs(
    frozen: FrozenActivations, data: SentenceData, name: str, task: Task, limit: int | None
) -> LabeledEmbeddings:
    """Return the features and labels of a split's rows with a label for a task about two texts.

    Args:
        frozen: gives embeddings.
        data: the sentences.
        name: of the split.
        task: the task.
        limit: rows that are enough, see :func:`choose_rows`; None takes all.
    """
    split = data.split(name)
    rows = np.flatnonzero(is_labelled(split.labels[task.name]))
    labels = {task.name: split.labels[task.name][rows]}
    weights = None if split.weights is None else split.weights[rows]
    if limit is not None and (some := choose_rows(labels, limit, weights)) is not None:
        rows, labels = rows[some], {task.name: labels[task.name][some]}
        weights = None if weights is None else weights[some]
    if split.second is None:
        return LabeledEmbeddings(torch.zeros(0, task.kind.feature_size(frozen.encoder.embedding_size)), labels, weights)
    first = embed_rows(frozen, data, name, rows)
    second = _embed_seconds(frozen, split.second, split.second_rows(rows))
    return LabeledEmbeddings(task.kind.features(first.float(), second.float()), labels, weights)


def embed_rows(frozen: FrozenActivations, data: SentenceData, name: str, rows: Rows | None) -> Tensor:
    """Return the embeddings of a split's sentences (N, H), or of some (n, H); those of folds are stored once."""
    split, in_pool = data.split(name), data.source.rows_in_pool(name)
    if in_pool is not None:
        return frozen.embed(data.pool())[torch.from_numpy(in_pool if rows is None else in_pool[rows])]
    if rows is None and split.activations is not None and split.depth is None:
        return split.activations  # the encoder is frozen: they have been read already
    return frozen.embed(split if rows is None else split.select(rows))


def _embed_seconds(frozen: FrozenActivations, seconds: TokenizedSplit, rows: Rows) -> Tensor:
    """Return the embeddings of some second texts (n, H)."""
    if seconds.activations is not None and seconds.depth is None:
        return seconds.activations[torch.from_numpy(rows)]
    return frozen.embed(seconds.select(rows))
