"""Summary: one run's metrics as a table on the terminal. Knows nothing about how they came about."""

from typing import Any

from rich.console import Console
from rich.table import Table

_METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "loss": "loss (nats)"}


def metrics_table(metrics: dict[str, Any]) -> Table:
    """Lay out accuracy, macro-F1 and loss of each task on validation, test and the shifted test sets."""
    table = Table("task", "split")
    for title in _METRICS.values():
        table.add_column(title, justify="right")
    splits = {"validation": metrics["validation"], "test": metrics["test"], **metrics.get("shifted", {})}
    for task in metrics["validation"]:
        for split, results in splits.items():
            if task in results:  # else no sentence of the split has a label for it
                table.add_row(task, split, *(f"{results[task][name]:.4f}" for name in _METRICS))
        table.add_section()
    return table


def cost_table(metrics: dict[str, Any]) -> Table:
    """Lay out what the run cost: parameters, seconds, throughput, memory, precision."""
    trainable, total = metrics["parameters"]["trainable"], metrics["parameters"]["total"]
    rate, best = metrics["sentences_per_second"], metrics["best_epoch"]
    table = Table(show_header=False)
    table.add_row("trainable parameters", f"{trainable:,} of {total:,} ({trainable / total:.2%})")
    table.add_row("epochs", f"{metrics['epochs']}" + ("" if best is None else f", best: the {best + 1}."))
    table.add_row(
        "seconds",
        f"{metrics['seconds']['total']:.1f}, of which training {metrics['seconds']['training']:.1f}",
    )
    table.add_row("sentences per second", "nothing trained" if rate is None else f"{rate:.0f} in training")
    table.add_row(
        "peak memory", ", ".join(f"{size:,.0f} MB ({kind})" for kind, size in metrics["peak_megabytes"].items())
    )
    table.add_row("frozen features", _features(metrics["features"]))
    table.add_row("precision", f"{metrics['precision']} on {metrics['device']}")
    return table


def _features(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} splits {how}" for how, count in counts.items()) or "none stored"


def show(metrics: dict[str, Any], folder: str) -> None:
    """Print a run's tables, where it lies and how to look at its curves."""
    console = Console()
    console.print(metrics_table(metrics))
    console.print(cost_table(metrics))
    console.print(f"run: {folder}\ncurves: tensorboard --logdir runs", highlight=False, soft_wrap=True)
