"""Summary: one run's metrics and costs as a table on the terminal. Knows nothing about how they came about."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from polyhead.runs.contents import RunMetrics
from polyhead.tasks import SingleLabel, kind_of


def summary_table(metrics: RunMetrics) -> Table:
    """Lay out the scores and the loss of each task on every split measured, and the costs of the run below it.

    Long names are folded, so that the numbers stay whole in 80 columns.
    """
    table = Table(caption="\n".join(_costs(metrics)), caption_justify="left", caption_style="")
    for title in ("task", "split"):
        table.add_column(title, overflow="fold")
    splits = {"validation": metrics.validation, **metrics.test_sets}
    scores = ShownScores([values for results in splits.values() for values in results.values()])
    for title in scores.titles:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(scores.loss, justify="right", no_wrap=True)
    for task in {task: None for results in splits.values() for task in results}:
        for split, results in splits.items():
            if task in results:  # else no sentence of the split has a label for it
                values: Mapping[str, Any] = results[task]
                table.add_row(task, split, *scores.cells(values), f"{values['loss']:.4f}")
        table.add_section()
    return table


class ShownScores:
    """The columns of a table that has a row per task: one for each metric, or one for all where kinds are mixed.

    Args:
        results: of the tasks.

    Attributes:
        titles: of the columns.
        loss: title of a column of losses.
    """

    def __init__(self, results: Sequence[Mapping[str, Any]]) -> None:
        kinds = {kind_of(one).name: kind_of(one) for one in results} or {SingleLabel.name: SingleLabel}
        self._mixed = len(kinds) > 1
        self._kind = next(iter(kinds.values()))
        self.titles = ["scores"] if self._mixed else [*self._kind.scores.values()]
        self.loss = "loss (nats)" if all(kind.in_nats for kind in kinds.values()) else "loss"

    def cells(self, results: Mapping[str, Any]) -> list[str]:
        """Return the cells of a task's row."""
        if not self._mixed:
            return [f"{results[name]:.4f}" for name in self._kind.scores]
        return [", ".join(f"{title} {results[name]:.4f}" for name, title in kind_of(results).scores.items())]


def show(metrics: RunMetrics, folder: Path) -> None:
    """Print a run's table, its folder and where its curves are."""
    console = Console()
    console.print(summary_table(metrics))
    lines = [f"run: {folder}", *_curves(folder)]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _curves(folder: Path) -> Iterator[str]:
    """Yield where the curves are that the run's loggers wrote as files; others say so themselves."""
    if any(folder.glob("events.out.tfevents.*")):
        beside = Path(os.path.relpath(folder.parent)) if folder.is_relative_to(Path.cwd()) else folder.parent
        yield f"curves: tensorboard --logdir {shlex.quote(str(beside))}"
    if (folder / "metrics.csv").is_file():
        yield f"curves: {folder / 'metrics.csv'}"


def _costs(metrics: RunMetrics) -> Iterator[str]:
    trainable, total = metrics.parameters["trainable"], metrics.parameters["total"]
    yield f"trained {trainable:,} of {total:,} parameters ({trainable / total:.2%})"
    best = "" if metrics.best_epoch is None else f", counted from 0; the best was epoch {metrics.best_epoch}"
    yield f"epochs {metrics.epochs}{best}"
    if metrics.health:
        yield _health(metrics.health)
    yield f"seconds {metrics.seconds['total']:.1f}, {_pace(metrics)}"
    yield "peak memory " + ", ".join(f"{size:,.0f} MB ({kind})" for kind, size in metrics.peak_megabytes.items())
    yield f"frozen activations {_counts(metrics.activation_cache)}"
    yield f"precision {metrics.precision} on {metrics.device}"


def _health(health: Mapping[str, float]) -> str:
    """Describe the embedding: how much of it the sentences and pairs kept."""
    kept = []
    if "agreement" in health:
        kept.append(f"agreement with the start {health['agreement']:.3f}, lowest {health['lowest_agreement']:.3f}")
    if "teacher_agreement" in health:
        least = health["lowest_teacher_agreement"]
        kept.append(f"agreement with the teacher {health['teacher_agreement']:.3f}, lowest {least:.3f}")
    if "spearman" in health:
        kept.append(f"Spearman on pairs {health['spearman_before']:.3f} -> {health['spearman']:.3f}")
    return "embedding " + "; ".join(kept)


def _pace(metrics: RunMetrics) -> str:
    rate = metrics.sentences_per_second
    if rate is None:
        return "nothing trained"
    return f"training {metrics.seconds['training']:.1f} at {rate:.0f} sentences per second"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} split{'s' * (count != 1)} {how}" for how, count in counts.items()) or "none stored"
