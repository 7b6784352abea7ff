"""Penalty trial: what heads of several penalties say of rows that they were not made of. Knows nothing about models.

Shapes: N rows of a split, n rows that are judged, W units of an embedding, C classes, K folds, P penalties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.tasks import Task, is_labelled
from polyhead.training.head_problem import HeadProblem, LinearHeads, RowLoss
from polyhead.training.head_solver import HeadSolver

_ENOUGH = 200  # validation rows that can tell penalties apart
_ROWS = {True: 4000, False: 2000}  # training rows that trials take at most, with and without validation rows
_ROUGH = 1e-3  # tolerance of heads that are only compared


@dataclass(frozen=True)
class LabeledEmbeddings:
    """Sentences of a split as heads see them.

    Args:
        embeddings: (N, W), which may be mapped from a file.
        labels: target of each row by task, (N,) or (N, C).
        weights: of the rows in the loss (N,), 0 or more; None is 1 each.
    """

    embeddings: Tensor
    labels: Mapping[str, NDArray[np.integer[Any]]]
    weights: NDArray[np.floating[Any]] | None = None

    def of(self, task: str) -> "TaskRows":
        """Return the rows that count for a task, in their order."""
        given = torch.from_numpy(np.asarray(self.labels[task]))
        labels = given.double() if given.is_floating_point() else given.long()
        weights = None if self.weights is None else torch.from_numpy(self.weights).double()
        counted = is_labelled(labels) if weights is None else is_labelled(labels) & (weights > 0)
        return TaskRows(self.embeddings, labels, weights, torch.nonzero(counted)[:, 0])


@dataclass(frozen=True)
class TaskRows:
    """Rows of a split for one task: all of them, and the indices of those that count."""

    embeddings: Tensor
    labels: Tensor
    weights: Tensor | None
    counted: Tensor

    def sample(self, limit: int, seed: int) -> "TaskRows":
        """Return at most ``limit`` of the rows that count, in memory."""
        order = torch.randperm(len(self.counted), generator=torch.Generator().manual_seed(seed))
        rows = self.counted[order[:limit]]
        weights = None if self.weights is None else self.weights[rows]
        return TaskRows(self.embeddings[rows], self.labels[rows], weights, torch.arange(len(rows)))


@dataclass(frozen=True)
class PenaltyTrial:
    """The trial of penalties for one task.

    Args:
        task: the task.
        loss: that training would minimize.
        rows: of training.
        judges: rows of validation; None where there are none.
        seed: of the training rows that are tried.
    """

    task: Task
    loss: RowLoss
    rows: TaskRows
    judges: TaskRows | None
    seed: int

    @property
    def is_validated(self) -> bool:
        """Whether rows of validation judge; else each of the training rows does in turn."""
        return self.judges is not None and len(self.judges.counted) >= _ENOUGH

    def held_out(self, penalties: Sequence[float], folds: int) -> tuple[Tensor, Tensor]:
        """Return logits (P, n, C) of rows under heads that were not made of them, and their classes (n,)."""
        made_of = self.rows.sample(_ROWS[self.is_validated], self.seed)
        if not self.is_validated or self.judges is None:
            return self._cross_validate(made_of, penalties, min(folds, len(made_of.labels))), made_of.labels
        heads = self._solve(made_of, penalties, made_of.weights)
        judges = self.judges.sample(len(self.judges.counted), self.seed)
        return judges.embeddings.double() @ heads.weight.mT + heads.bias[:, None], judges.labels

    def _cross_validate(self, rows: TaskRows, penalties: Sequence[float], folds: int) -> Tensor:
        fold_of = stratified_folds(rows.labels if rows.labels.ndim == 1 else rows.labels.sum(dim=1), folds)  # (n,)
        kept = (fold_of != torch.arange(folds)[:, None]).double()  # (K, n)
        weights = kept if rows.weights is None else kept * rows.weights
        each = [penalty for penalty in penalties for _ in range(folds)]
        heads = self._solve(rows, each, weights.repeat(len(penalties), 1))
        weight = heads.weight.view(len(penalties), folds, *heads.weight.shape[1:])  # (P, K, C, W)
        bias = heads.bias.view(len(penalties), folds, -1)  # (P, K, C)
        logits = torch.empty(len(penalties), len(rows.labels), self.task.width, dtype=torch.double)
        for fold in range(folds):
            held = torch.nonzero(fold_of == fold)[:, 0]
            logits[:, held] = rows.embeddings[held].double() @ weight[:, fold].mT + bias[:, fold, None]
        return logits

    def _solve(self, rows: TaskRows, penalties: Sequence[float], weights: Tensor | None) -> LinearHeads:
        if weights is not None and weights.ndim == 1:
            weights = weights.expand(len(penalties), -1)
        problem = HeadProblem(rows.labels, self.task.width, self.loss, penalties, weights, self.task.kind.quadratic)
        (heads,) = HeadSolver(rows.embeddings).solve([problem], _ROUGH, steps=100)
        return heads


def stratified_folds(labels: Tensor, folds: int) -> Tensor:
    """Deal rows out to folds (n,), each class as evenly as possible, in the order of the rows.

    >>> stratified_folds(torch.tensor([0, 0, 0, 1, 1]), 2).tolist()
    [0, 1, 0, 1, 0]
    """
    order = torch.argsort(labels, stable=True)
    fold_of = torch.empty(len(labels), dtype=torch.long)
    fold_of[order] = torch.arange(len(labels)) % folds
    return fold_of
