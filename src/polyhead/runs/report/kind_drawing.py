"""Kind drawing: the figures that tasks have by their kinds, as SVG. Knows nothing about where their data come from."""

import numpy as np

from polyhead.runs.report.comparison import Row
from polyhead.runs.report.figures import color, new_figure, to_svg
from polyhead.runs.report.kind_figures import Bars, Scatter


def draw_scatter(scatter: Scatter) -> str:
    """Draw predicted against true numbers."""
    figure, axes = new_figure()
    axes.plot(
        scatter.truth, scatter.predicted, linestyle="", marker="o", markersize=3, alpha=0.5, color=color(scatter.row)
    )
    axes.set(xlabel=f"{scatter.task}, {scatter.test_set}", ylabel=f"predicted, #{scatter.row.number}")
    return to_svg(figure, f"scatter {scatter.row.number} {scatter.test_set} {scatter.task}")


def draw_bars(bars: Bars, rows: list[Row]) -> str:
    """Draw F1 of each label, a bar for each condition, in the colors that the others have."""
    figure, axes = new_figure()
    places = np.arange(len(bars.lines))
    height = 0.8 / len(rows)
    for index, row in enumerate(rows):
        means = [line.scores[index] for line in bars.lines]
        values = [0.0 if mean is None else mean.value for mean in means]
        axes.barh(places + index * height, values, height=0.9 * height, color=color(row))
    axes.set_yticks(places + 0.4 - height / 2, [line.label[:30] for line in bars.lines])
    axes.invert_yaxis()
    axes.set(xlabel=f"F1 by label of {bars.task}, {bars.test_set}", xlim=(0, 1))
    return to_svg(figure, f"bars {bars.test_set} {bars.task}")
