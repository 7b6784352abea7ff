"""Table: a comparison as columns of text, and as Markdown to read and paste. Knows nothing about pages."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill

from polyhead.runs.record import OVERALL, SCORE
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.statistics import Difference, Mean
from polyhead.storage.markdown import markdown_table

WIDTH = 80
"""Characters of a terminal's line; a wider table becomes several tables below each other."""

NONE = "–"
_METRIC_NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "score": "score"}
_HEALTH = {"spearman": "Spearman", "agreement": "embedding"}
_COSTS = {
    "seconds": "seconds",
    "sentences_per_second": "sentences/s",
    "trainable_parameters": "trainable",
    "peak_megabytes": "peak MB",
    "gpu_megabytes": "peak MB (GPU)",
}


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        title: its heading.
        cells: one for each row of the comparison.
        text: whether the cells are words, which are aligned to the left.
    """

    title: str
    cells: Sequence[str]
    text: bool = False


def metric_name(comparison: Comparison) -> str:
    """Return the metric's name as a text spells it."""
    return _METRIC_NAMES[comparison.metric]


def score_text(score: Mean | None) -> str:
    """Write a mean with its 95 % interval: ``0.912 ± 0.008``."""
    if score is None:
        return NONE
    return f"{score.value:.3f}" + ("" if score.margin is None else f" ± {score.margin:.3f}")


def difference_text(difference: Difference | None) -> str:
    """Write a difference with its interval, and ``n.s.`` behind it where it is not significant."""
    if difference is None:
        return NONE
    text = f"{difference.value:+.3f} ± {difference.margin:.3f}".replace("-", "−")
    return text if difference.significant else f"{text} n.s."


def cost_text(name: str, value: float | None) -> str:
    """Write a cost in its unit."""
    if value is None:
        return NONE
    return f"{value:.1f}" if name == "seconds" and value < 100 else f"{value:,.0f}"


def score_columns(comparison: Comparison) -> list[tuple[str, str, str]]:
    """List the columns of scores, the mean over the tasks first: test set, task, title."""
    several = len(comparison.tests) > 1
    return [
        (test_set, task, f"{test_set}: {task}" if several else task)
        for test_set, tasks in comparison.tests.items()
        for task in tasks
    ]


def columns(comparison: Comparison, by_task: bool = True) -> list[Column]:
    """Lay the comparison out: number, values of the condition, scores on each test set.

    Args:
        comparison: to lay out.
        by_task: whether each task has a column, beside the mean over all.
    """
    if not comparison.rows:
        return []
    rows = comparison.rows
    return [
        Column("#", [str(row.number) for row in rows]),
        *(Column(name, [row.condition.values[name] for row in rows], text=True) for name in rows[0].condition.values),
        *_scores(comparison, by_task),
        *_health(rows),
        Column("validation", [score_text(row.validation) for row in rows]),
        Column("runs", [str(len(row.condition.runs)) for row in rows]),
    ]


def cost_columns(comparison: Comparison) -> list[Column]:
    """Lay out what the conditions cost: each cost that any run measured, and stored activations."""
    if not comparison.rows:
        return []
    rows = comparison.rows
    return [*_costs(rows), Column("activations", [_activations_text(row) for row in rows])]


def markdown(comparison: Comparison) -> str:
    """Write the comparison in Markdown, with a line that explains its numbers, and its notes.

    Columns that do not fit beside the others in :data:`WIDTH` characters stand in a table of their own, below.
    """
    laid_out = [*columns(comparison), *cost_columns(comparison)]
    if not laid_out:
        return "No run is done yet.\n"
    number, *others = laid_out
    tables = [_markdown(table) for table in _folded(number, others)]
    below = [legend(comparison), *comparison.notes]
    return "\n\n".join([*tables, *(fill(text, WIDTH, break_long_words=False) for text in below)]) + "\n"


def legend(comparison: Comparison) -> str:
    """Explain the numbers in a sentence or two; nothing where there are none."""
    if not comparison.rows:
        return ""
    text = (
        f"Scores: {metric_name(comparison)} on {listed(comparison.tests)} (mean: over the tasks), ± the 95 % interval "
        f"over {listed(comparison.over)}; rows by {metric_name(comparison)} on validation.{_headlines(comparison)}"
    )
    if any(row.health for row in comparison.rows):
        text += " embedding: agreement of its similarities with those before training; Spearman: on scored pairs."
    if comparison.baseline is None or len(comparison.rows) < 2:
        return text
    return (
        f"{text} Δ: less #{comparison.baseline.number} on the same seeds and sentences; n.s.: not significant at 5 % "
        "after Holm's correction."
    )


def _headlines(comparison: Comparison) -> str:
    """Say which metric the score of each task is; nothing where all have the same."""
    if comparison.metric != SCORE:
        return ""
    kinds = {
        task: kind for row in comparison.rows for run in row.condition.runs.values() for task, kind in run.kinds.items()
    }
    names = [f"{kind.scores.get(kind.headline, kind.headline)} of {task}" for task, kind in kinds.items()]
    return f" Score: {listed(names)}."


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence: ``test, news and letters``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _scores(comparison: Comparison, by_task: bool) -> Iterator[Column]:
    """Yield a column for each test set and task, and the differences from the baseline beside each mean."""
    compared = comparison.baseline is not None and len(comparison.rows) > 1
    for test_set, task, title in score_columns(comparison):
        if task != OVERALL and not by_task:
            continue
        yield Column(title, [score_text(row.scores.get(test_set, {}).get(task)) for row in comparison.rows])
        if compared and task == OVERALL:
            yield Column(f"Δ {title}", [_difference(comparison, row, test_set) for row in comparison.rows])


def _difference(comparison: Comparison, row: Row, test_set: str) -> str:
    if row is comparison.baseline:
        return "baseline"
    return difference_text(row.differences.get(test_set, {}).get(OVERALL))


def _health(rows: Sequence[Row]) -> Iterator[Column]:
    """Yield a column for each measure of the embedding that any run has."""
    for name, title in _HEALTH.items():
        if any(name in row.health for row in rows):
            yield Column(title, [score_text(row.health.get(name)) for row in rows])


def _costs(rows: Sequence[Row]) -> Iterator[Column]:
    """Yield a column for each cost that any run measured."""
    for name, title in _COSTS.items():
        if any(name in row.costs for row in rows):
            yield Column(title, [cost_text(name, row.costs.get(name)) for row in rows])


def _activations_text(row: Row) -> str:
    """Write how many splits took frozen activations from the cache, of those that could have."""
    if row.activations is None:
        return NONE
    reused, total = row.activations
    return "reused" if reused == total else f"{reused} of {total} reused"


def _folded(number: Column, others: Iterable[Column]) -> list[list[Column]]:
    """Spread columns over tables that fit :data:`WIDTH`, each with the rows' numbers in front."""
    tables = [[number]]
    for column in others:
        fits = len(_markdown([*tables[-1], column]).partition("\n")[0]) <= WIDTH
        if fits or tables[-1] == [number]:  # a column that is too wide by itself cannot be helped
            tables[-1].append(column)
        else:
            tables.append([number, column])
    return tables


def _markdown(table: Sequence[Column]) -> str:
    rows = zip(*(column.cells for column in table), strict=True)
    right = [index for index, column in enumerate(table) if not column.text]
    return markdown_table([column.title for column in table], list(rows), right)
