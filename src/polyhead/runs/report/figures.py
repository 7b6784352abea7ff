"""Figures: a comparison drawn as SVG. Knows nothing about the page around them."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from polyhead.runs.record import OVERALL
from polyhead.runs.report.comparison import Comparison, Row, pareto_front
from polyhead.runs.report.curves import Curves
from polyhead.runs.report.statistics import Mean
from polyhead.runs.report.table import metric_name

SIZE = (4.6, 3.3)  # inches: readable at the width of a phone
MOST_LINES = 8  # conditions that differ in color
_COLORS = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "svg.fonttype": "none",  # text stays text: small, and it can be searched
    "font.family": "sans-serif",
    "text.parse_math": False,  # a $ in a condition's name is a $
}


def color(row: Row) -> str:
    """Return a condition's color, the same in all figures; gray beyond the best few."""
    best_few = row.number <= MOST_LINES
    return matplotlib.colors.to_hex(_COLORS[row.number - 1]) if best_few else "#9a9a9a"


def trade_off(comparison: Comparison, test_set: str, cost: str, title: str) -> str:
    """Draw quality on a test set against a cost, the conditions that no other beats in both joined by a line."""
    figure, axes = new_figure()
    rows = [row for row in comparison.rows if row.costs.get(cost) and test_set in row.scores]
    for row in rows:
        score = row.scores[test_set][OVERALL]
        axes.errorbar(
            row.costs[cost], score.value, yerr=_within_bounds(score), fmt="o", color=color(row), markersize=7, capsize=2
        )
        beside = (6, 5) if row.number % 2 else (6, -12)  # points; neighbours often tie
        axes.annotate(f"#{row.number}", (row.costs[cost], score.value), xytext=beside, textcoords="offset points")
    if cost == "seconds":
        points = [(row.costs[cost], row.scores[test_set][OVERALL].value) for row in rows]
        front = sorted(point for point, on_front in zip(points, pareto_front(points), strict=True) if on_front)
        axes.plot(*zip(*front, strict=True), color="#555555", linewidth=1, linestyle="--", zorder=0)
    axes.set(xlabel=title, ylabel=f"{metric_name(comparison)}, {test_set}, mean over tasks")
    axes.margins(0.12)
    _log_scale(axes, [row.costs[cost] for row in rows])
    return to_svg(figure, f"trade-off {test_set} {cost}")


def _within_bounds(score: Mean) -> list[list[float]] | None:
    """Return the lengths of a score's bar below and above it; no score above 0 is drawn below it, none above 1."""
    if score.margin is None:
        return None
    below = min(score.margin, score.value) if score.value >= 0 else score.margin
    return [[below], [min(score.margin, 1 - score.value)]]


def learning_curves(comparison: Comparison, curves: Mapping[int, Sequence[Curves]], name: str, title: str) -> str:
    """Draw a logged value over the steps, a line for each run and a color for each condition.

    Args:
        comparison: for the conditions' colors.
        curves: number of a condition -> curves of each of its runs.
        name: of the value.
        title: of the vertical axis.

    Returns:
        The figure; empty where no run logged it.
    """
    figure, axes = new_figure()
    for row in reversed(comparison.rows[:MOST_LINES]):  # the best on top
        logged = [run[name] for run in curves.get(row.number, ()) if name in run]
        for index, points in enumerate(logged):
            steps, values = zip(*points, strict=True)
            label = f"#{row.number}" if index == 0 else None
            axes.plot(steps, values, color=color(row), linewidth=1.1, marker=".", markersize=4, label=label)
    if not axes.lines:
        return ""
    axes.set(xlabel="optimizer steps", ylabel=title)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, fontsize=8, ncols=2)
    return to_svg(figure, f"curves {name}")


def _log_scale(axes: Axes, values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with plain numbers on it: 5, 10, 20; 10k, 1M."""
    axes.set_xscale("log")
    narrow = bool(values) and max(values) < 100 * min(values)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())


def new_figure() -> tuple[Figure, Axes]:
    """Return an empty figure in the style of all."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        return figure, figure.add_subplot()


def to_svg(figure: Figure, name: str) -> str:
    """Return the figure as an ``<svg>`` element; ``name`` keeps its ids apart from those of other figures."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
