"""A comparison as a table on the terminal: medians, ratios, other figures, notes."""

import statistics

from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Comparison

_WIDTH = 140  # columns


def show(comparison: Comparison) -> None:
    """Print a row per baseline: its median rate, the ratio to the median of each row above, its other figures."""
    keys = sorted({key for entry in comparison.entries for key in entry.extra})
    table = Table("baseline", title=comparison.name)
    for title in (f"{comparison.unit}/s, median", "ratio to each above", *keys):
        table.add_column(title, justify="right")
    medians: list[float] = []
    for entry in comparison.entries:
        median = statistics.median(entry.rates)
        ratios = "  ".join(f"{median / above:.2f}" for above in medians)
        figures = [_mean_and_range(entry.extra.get(key, [])) for key in keys]
        table.add_row(entry.name, f"{median:,.1f}", ratios, *figures)
        medians.append(median)
    Console(width=_WIDTH).print(table)
    for note in comparison.notes:
        print(note)


def _mean_and_range(values: list[float]) -> str:
    if not values:
        return ""
    mean, lowest, highest = statistics.fmean(values), min(values), max(values)
    if lowest == highest:
        return f"{mean:.4f}"
    return f"{mean:.4f} ({lowest:.4f} to {highest:.4f})"
