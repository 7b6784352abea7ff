"""Dimension scores: what heads reach on the first units of an embedding, as many as they were trained for.

Shapes: N sentences of a split, X texts of it, W units of an embedding, d of its first units.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import plain_losses
from polyhead.tasks import Task
from polyhead.training.fits import Fit, make_fit
from polyhead.training.metrics import Results, TaskMetrics

Module = TypeVar("Module", bound=nn.Module)

Labelled = tuple[Tensor, Tensor | None, Mapping[str, Tensor]]
"""Embeddings (X, W) with those of second texts behind, the sentences that have one, targets by task (N,) or (N, C)."""

_TABLES = ("confusion", "f1", "reliability", "scores")  # of the whole embedding alone: a file would grow with them


def dimension_scores(
    model: MultiTaskModel, tasks: Sequence[Task], splits: Mapping[str, Labelled], sizes: Sequence[int], batch: int = 128
) -> dict[str, dict[str, Results]]:
    """Return the results of each split by width: ``{"96": {"test": {"category": {"accuracy": 0.9}}}}``.

    Temperatures and thresholds are fitted to ``validation`` at each width by itself.

    Args:
        model: whose heads are measured, on the processor.
        tasks: of the heads.
        splits: ``validation`` and test sets.
        sizes: widths, below the whole.
        batch: sentences whose losses are computed together: those of pairs depend on the others.
    """
    ordered = sorted(splits, key=lambda name: name != "validation")  # what is fitted there is used on the others
    found: dict[str, dict[str, Results]] = {}
    for size in sizes:
        fits = {task.name: _alone(fit) for task in tasks if (fit := make_fit(task)) is not None}
        found[str(size)] = {name: _measure(model, tasks, splits[name], size, fits, name, batch) for name in ordered}
    return found


def _measure(
    model: MultiTaskModel,
    tasks: Sequence[Task],
    split: Labelled,
    size: int,
    fits: Mapping[str, Fit],
    name: str,
    batch: int,
) -> Results:
    embeddings, pairs, targets = split
    with torch.inference_mode():
        some = model.truncate(embeddings.float(), size)
        logits = {task.name: model.classify_task(task.name, some, pairs) for task in tasks}
    results: Results = {}
    for task in tasks:
        metrics = _alone(TaskMetrics(task))
        parts = (torch.split(rows[task.name], batch) for rows in (logits, targets))
        for given, truth in zip(*parts, strict=True):
            with torch.inference_mode():
                losses, counts = plain_losses([task], {task.name: given}, {task.name: truth})
            metrics.update(given, truth, losses[0], counts[0])
        values = metrics.compute()
        if values and task.name in fits:
            values |= _fitted(fits[task.name], logits[task.name], targets[task.name], name)
        if values:
            results[task.name] = {key: value for key, value in values.items() if key not in _TABLES}
    return results


def _alone(module: Module) -> Module:
    """Let metrics count the rows of this process alone: one process has all of them, and no other waits for it."""
    for metric in module.modules():
        if isinstance(metric, Metric):
            metric.distributed_available_fn = lambda: False
    return module


def _fitted(fit: Fit, logits: Tensor, targets: Tensor, split: str) -> dict[str, Any]:
    """Return the metrics that depend on what is fitted, which validation does first."""
    fit.update(logits, targets)
    if split == "validation":
        fit.fit()
    computed = fit.compute()
    fit.reset()
    return dict(computed)
