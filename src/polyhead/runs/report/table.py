"""Table: a comparison as cells of text, and as Markdown to paste. Knows nothing about pages."""

from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.record import OVERALL
from polyhead.runs.report.statistics import Difference, Mean

_METRIC_NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy"}


def metric_name(comparison: Comparison) -> str:
    """Return the metric's name as it is written in a text."""
    return _METRIC_NAMES[comparison.metric]


def score_text(score: Mean | None) -> str:
    """Write a mean with its 95 % interval: ``0.912 ± 0.008``."""
    if score is None:
        return "–"
    return f"{score.value:.3f}" + ("" if score.margin is None else f" ± {score.margin:.3f}")


def difference_text(difference: Difference | None) -> str:
    """Write a difference with its interval and, where it could be chance, that it is not significant."""
    if difference is None:
        return "–"
    text = f"{difference.value:+.3f} ± {difference.margin:.3f}".replace("-", "−")
    return text if difference.significant else f"{text} n.s."


def cost_text(name: str, value: float | None) -> str:
    """Write a cost in its unit."""
    if value is None:
        return "–"
    return f"{value:.1f}" if name == "seconds" and value < 100 else f"{value:,.0f}"


def features_text(row: Row) -> str:
    """Write how many splits came from the feature store, of those that could have."""
    if row.features is None:
        return "–"
    reused, total = row.features
    return "reused" if reused == total else f"{reused} of {total} reused"


COSTS = {
    "seconds": "seconds",
    "sentences_per_second": "sentences/s",
    "trainable_parameters": "trainable",
    "peak_megabytes": "peak MB",
    "gpu_megabytes": "peak MB (GPU)",
}


def costs_measured(comparison: Comparison) -> dict[str, str]:
    """Return the costs that any run measured: name -> title."""
    return {name: title for name, title in COSTS.items() if any(name in row.costs for row in comparison.rows)}


def score_columns(comparison: Comparison) -> list[tuple[str, str, str]]:
    """List the columns of scores, the mean over the tasks first: test set, task, title."""
    several = len(comparison.tests) > 1
    return [
        (test, task, f"{test}: {task}" if several else task)
        for test, tasks in comparison.tests.items()
        for task in tasks
    ]


def cells(comparison: Comparison) -> list[dict[str, str]]:
    """Lay out a row a setting, its cells by title."""
    return [_cells(row, comparison) for row in comparison.rows]


def _cells(row: Row, comparison: Comparison) -> dict[str, str]:
    line = {"#": str(row.number), **row.setting.values}
    for test, task, title in score_columns(comparison):
        line[title] = score_text(row.scores.get(test, {}).get(task))
        if task == OVERALL and comparison.baseline is not None and len(comparison.rows) > 1:
            compared = difference_text(row.differences.get(test, {}).get(task))
            line[f"Δ {title}"] = "baseline" if row is comparison.baseline else compared
    line |= {"validation": score_text(row.validation), "runs": str(len(row.setting.runs))}
    for name, title in costs_measured(comparison).items():
        line[title] = cost_text(name, row.costs.get(name))
    line["features"] = features_text(row)
    return line


def markdown(comparison: Comparison) -> str:
    """Write the comparison as a Markdown table, numbers to the right, with a line that says what they are."""
    rows = cells(comparison)
    if not rows:
        return "No run is done yet.\n"
    left = set(comparison.rows[0].setting.values)
    lines = [[*rows[0]], ["---" if title in left else "--:" for title in rows[0]], *([*row.values()] for row in rows)]
    table = "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)
    return f"{table}\n\n{legend(comparison)}\n"


def legend(comparison: Comparison) -> str:
    """Say in a sentence or two what the numbers are."""
    text = (
        f"Scores: {metric_name(comparison)} on test (mean: over the tasks), ± the 95 % interval over "
        f"{' and '.join(comparison.over)}; rows by {metric_name(comparison)} on validation."
    )
    if comparison.baseline is None or len(comparison.rows) < 2:
        return text
    return (
        f"{text} Δ: less #{comparison.baseline.number} on the same seeds and sentences; n.s.: not significant at 5 % "
        "after Holm's correction."
    )


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split())
