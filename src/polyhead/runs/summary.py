"""Summary: one run's metrics and costs as a table on the terminal. Knows nothing about how they came about."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

_METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "loss": "loss (nats)"}


def summary_table(metrics: dict[str, Any]) -> Table:
    """Lay out accuracy, macro-F1 and loss of each task on every split measured, and below it what they cost."""
    table = Table("task", "split", caption="\n".join(_costs(metrics)), caption_justify="left", caption_style="")
    for title in _METRICS.values():
        table.add_column(title, justify="right")
    splits = {"validation": metrics["validation"], "test": metrics["test"], **metrics.get("shifted", {})}
    for task in metrics["validation"]:
        for split, results in splits.items():
            if task in results:  # else no sentence of the split has a label for it
                table.add_row(task, split, *(f"{results[task][name]:.4f}" for name in _METRICS))
        table.add_section()
    return table


def _costs(metrics: dict[str, Any]) -> Iterator[str]:
    trainable, total = metrics["parameters"]["trainable"], metrics["parameters"]["total"]
    rate, best, seconds = metrics["sentences_per_second"], metrics["best_epoch"], metrics["seconds"]
    yield f"trained {trainable:,} of {total:,} parameters ({trainable / total:.2%})"
    yield f"epochs {metrics['epochs']}" + ("" if best is None else f", the best was the {best + 1}.")
    pace = (
        "nothing trained" if rate is None else f"training {seconds['training']:.1f} at {rate:.0f} sentences per second"
    )
    yield f"seconds {seconds['total']:.1f}, {pace}"
    yield "peak memory " + ", ".join(f"{size:,.0f} MB ({kind})" for kind, size in metrics["peak_megabytes"].items())
    yield f"frozen features {_features(metrics['features'])}"
    yield f"precision {metrics['precision']} on {metrics['device']}"


def _features(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} splits {how}" for how, count in counts.items()) or "none stored"


def show(metrics: dict[str, Any], folder: str) -> None:
    """Print a run's table, where it lies and how to look at its curves."""
    console = Console()
    console.print(summary_table(metrics))
    console.print(f"run: {folder}\ncurves: tensorboard --logdir runs", highlight=False, soft_wrap=True)
