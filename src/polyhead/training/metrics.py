"""Metrics: how well a task's logits match its labels, batch by batch. Knows nothing about models, trainers or loggers.

Names are ``{split}/{task}/{metric}``. Shapes: B sentences, W logits, C classes.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection, SumMetric

from polyhead.tasks import Task, headline, is_labelled, kind_entry, kind_of, overall

Results = dict[str, dict[str, Any]]
"""Metrics of a split: ``{task: {metric: number}}``, ``f1`` by class, tables, and the ``kind`` of other tasks."""


class TaskMetrics(nn.Module):
    """The metrics of one task that its kind has, and its mean loss.

    Rows without a label do not count; of kinds that are judged whole, those after the first ``most_judged`` neither.
    An update only keeps the batch; the metrics are given many batches at a time, since each of their updates costs as
    much as the head's own work on a batch.
    """

    MOST_PENDING = 8192
    """Rows that are kept before the metrics are given them."""

    def __init__(self, task: Task, most_judged: int | None = None) -> None:
        super().__init__()
        self.task = task
        made = task.kind.metrics(task.labels)
        for metric in made.values():
            if task.kind.is_judged_whole:
                metric.limit = most_judged
        self.metrics = MetricCollection({**made})
        self.loss = MeanMetric()
        self.rows = SumMetric()
        self._pending: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self._pending_rows = 0
        self._nothing: tuple[Tensor, Tensor] | None = None  # estimates and labels of no rows, in their shapes

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor, rows: Tensor) -> None:
        """Add logits (B, W), labels (B,) or (B, C), and their mean ``loss`` () over the ``rows`` () with a label."""
        self._pending.append((self.task.kind.estimates(logits), labels, loss[None], rows[None]))
        self._pending_rows += len(labels)
        if self._pending_rows >= self.MOST_PENDING:
            self._flush()

    def compute(self) -> dict[str, Any]:
        """Return the metrics as plain numbers, and reset them; nothing where no row had a label."""
        self._flush()
        self._shape_lists()
        values: dict[str, Any] = {}
        if self.rows.compute():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what has no value; the kind has one for it
                computed = {name: value.tolist() for name, value in self.metrics.compute().items()}
            values = self.task.kind.results(self.task.labels, computed)
            values["loss"] = self.loss.compute().item()
            values |= kind_entry(self.task)
        for metric in (self.metrics, self.loss, self.rows):
            metric.reset()
        return values

    def progress(self) -> dict[str, Any]:
        """Return all that was added since the last :meth:`compute`, as tensors in memory, for :meth:`resume`."""
        progress: dict[str, Any] = {name: _on_cpu(metric.metric_state) for name, metric in self.metrics.items()}
        progress |= {"loss": _on_cpu(self.loss.metric_state), "rows": _on_cpu(self.rows.metric_state)}
        if self._pending:
            progress["pending"] = [part.cpu() for part in self._joined_pending()]
        return progress

    def resume(self, progress: Mapping[str, Any]) -> None:
        """Take over what another instance had been given; it goes on to the very same numbers."""
        if "rows" not in progress:  # of a checkpoint of 0.1.0
            progress = {**progress, "rows": {"sum_value": progress["confusion"]["confmat"].sum().float()}}
        for name, metric in (*self.metrics.items(), ("loss", self.loss), ("rows", self.rows)):
            for state, value in progress[name].items():
                kept = (
                    [value.to(metric.device)] if isinstance(metric._defaults[state], list) else value.to(metric.device)
                )
                setattr(metric, state, kept)
            metric._update_count = 1  # or computing warns that nothing was added
        if pending := progress.get("pending"):
            predictions, labels, losses, rows = (part.to(self.loss.device) for part in pending)
            self._pending = [(predictions, labels, losses, rows)]
            self._pending_rows = len(labels)

    def _joined_pending(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        predictions, labels, losses, rows = map(torch.cat, zip(*self._pending, strict=True))
        return predictions, labels, losses, rows

    def _flush(self) -> None:
        if self._pending:
            predictions, labels, losses, rows = self._joined_pending()
            labelled = is_labelled(labels)
            self._nothing = predictions[:0], labels[:0]
            if labelled.any():  # some metrics refuse to look at nothing
                self.metrics.update(predictions[labelled], labels[labelled])
            self.loss.update(losses, weight=rows)
            self.rows.update(labelled.sum())
            self._pending.clear()
            self._pending_rows = 0

    def _shape_lists(self) -> None:
        """Give lists without a row the shape and type of those of other processes, with which they are joined."""
        for metric in self.metrics.values():
            lists = [name for name, start in metric._defaults.items() if isinstance(start, list)]
            if lists and self._nothing is not None and not any(getattr(metric, name) for name in lists):
                metric.update(*self._nothing)


def _on_cpu(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state of a metric, of which lists of tensors are joined; an empty list is left out."""
    joined: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(value, list):
            joined[name] = value.cpu()
        elif value:
            joined[name] = torch.cat(value).cpu()
    return joined


def scalars(split: str, results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Flatten a split's results for a logger, and add the mean headline score of the tasks measured.

    That is ``{split}/macro_f1`` where it is the headline of all of them, else ``{split}/score``.
    """
    flat: dict[str, float] = {}
    for task, metrics in results.items():
        for name, value in metrics.items():
            if name == "f1":
                flat |= {f"{split}/{task}/f1/{label}": score for label, score in value.items()}
            elif isinstance(value, int | float):
                flat[f"{split}/{task}/{name}"] = value
    if results:
        name = overall(map(kind_of, results.values()))
        flat[f"{split}/{name}"] = sum(map(headline, results.values())) / len(results)
    return flat
