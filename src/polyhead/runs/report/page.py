"""Page: a comparison as one HTML file that needs no network. Knows nothing about statistics."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from polyhead.runs.report import figures, table
from polyhead.runs.report.class_scores import class_scores
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.curves import Curves
from polyhead.runs.report.kind_drawing import draw_bars, draw_scatter
from polyhead.runs.report.kind_figures import bars, scatters
from polyhead.runs.report.statistics import Difference
from polyhead.runs.report.verdict import conflict_sentences, verdict
from polyhead.runs.status import DONE

_MOST_SCORES = 6  # columns of scores beside which a table still fits a page of 1,400 pixels
_MOST_CLASSES = 24  # of a confusion matrix that is shown whole
_MOST_PAIRS = 20  # of confused classes, where it is not
_CURVES = {
    "validation/macro_f1": "validation macro-F1, mean over tasks",
    "validation/score": "validation score, mean over tasks",
    "train/loss": "training loss (nats)",
}


def page(comparison: Comparison, curves: Mapping[str, Curves], title: str, folder: Path) -> str:
    """Render the page.

    Args:
        comparison: to show.
        curves: folder of a run -> the values that the run logged by step.
        title: of the page.
        folder: that the page will lie in; it links to the runs from there.
    """
    # Conditions and file names are anybody's text: everything is escaped but the figures drawn here.
    environment = Environment(
        loader=PackageLoader("polyhead.runs.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    several = len(comparison.rows) > 1 and comparison.baseline is not None
    few = len(table.score_columns(comparison)) <= _MOST_SCORES
    drawn = comparison.rows[: figures.MOST_LINES]
    return environment.get_template("page.html.j2").render(
        title=title,
        comparison=comparison,
        counts=Counter(record.status for record in comparison.records),
        unfinished=[record for record in comparison.records if record.status != DONE],
        verdict=verdict(comparison),
        tables=_tables(comparison, few),
        legend=table.legend(comparison),
        colors=[figures.color(row) for row in comparison.rows],
        figures=[Markup(svg) for svg in _figures(comparison, curves) if svg],
        kind_figures=[Markup(svg) for svg in _kind_figures(comparison, drawn)],
        differences=_differences(comparison) if several else [],
        confusions=list(_confusions(comparison)),
        conflicts=[sentence for row in comparison.rows for sentence in conflict_sentences(row)],
        drawn=drawn,
        tasks=[] if few else list(_tasks(comparison, drawn)),
        classes=[(line, [table.score_text(score) for score in line.scores]) for line in class_scores(drawn)],
        link=partial(_link, folder),
    )


def _tables(comparison: Comparison, by_task: bool) -> list[list[table.Column]]:
    """Lay out the scores, and below them the costs."""
    scores = table.columns(comparison, by_task)
    return (
        [scores, [*scores[: 1 + len(comparison.rows[0].condition.values)], *table.cost_columns(comparison)]]
        if scores
        else []
    )


def _tasks(comparison: Comparison, rows: Sequence[Row]) -> Iterator[tuple[str, list[str]]]:
    """Yield the scores of each task on each test set: a title, and a cell for each row."""
    for test_set, task, title in table.score_columns(comparison):
        yield title, [table.score_text(row.scores.get(test_set, {}).get(task)) for row in rows]


def _link(folder: Path, run: Path) -> str:
    """Return the address of a run's folder, as seen from the page's."""
    return quote(Path(os.path.relpath(run, folder)).as_posix()) + "/"


def _figures(comparison: Comparison, curves: Mapping[str, Curves]) -> Iterator[str]:
    if len(comparison.rows) > 1:
        for test_set in comparison.tests:
            yield figures.trade_off(comparison, test_set, "seconds", "seconds per run")
        headline = next(iter(comparison.tests))
        yield figures.trade_off(comparison, headline, "trainable_parameters", "trainable parameters")
    by_row = {row.number: _curves_of(row, curves) for row in comparison.rows}
    for name, title in _CURVES.items():
        yield figures.learning_curves(comparison, by_row, name, title)


def _kind_figures(comparison: Comparison, drawn: Sequence[Row]) -> Iterator[str]:
    """Yield the figures of tasks that are not of single classes: of the best and the baseline, and bars of all."""
    rows = {row.number: row for row in (comparison.best, comparison.baseline) if row is not None}
    yield from map(draw_scatter, scatters([*rows.values()]))
    yield from (draw_bars(found, list(drawn)) for found in bars(drawn))


def _curves_of(row: Row, curves: Mapping[str, Curves]) -> list[Curves]:
    return [curves.get(str(run.folder), {}) for run in row.condition.runs.values()]


def _differences(comparison: Comparison) -> list[dict[str, Any]]:
    """Lay out every difference from the baseline, by condition."""
    columns = table.score_columns(comparison)
    lines: list[dict[str, Any]] = []
    for row in comparison.rows:
        if row is not comparison.baseline:
            found = [row.differences.get(test_set, {}).get(task) for test_set, task, _ in columns]
            cells = [(difference, table.difference_text(difference)) for difference in found]
            titles = [title for _, _, title in columns]
            lines.append({"row": row, "cells": cells, "titles": titles, "basis": _basis(found)})
    return lines


def _basis(found: Sequence[Difference | None]) -> str:
    """Say over how many seeds a condition was compared, and whether row by row."""
    made = [difference for difference in found if difference is not None]
    if not made:
        return ""
    fewest, most = min(difference.seeds for difference in made), max(difference.seeds for difference in made)
    seeds = f"{fewest} to {most} seeds" if fewest < most else f"{most} seed{'s' if most > 1 else ''}"
    if all(difference.rows for difference in made):
        return f"{seeds}, rows"
    unknown = "some rows" if any(difference.rows for difference in made) else "rows"
    return f"{seeds}; {unknown} unknown or unlike"


def _confusions(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield the confusion matrices of the best and of the baseline: title, labels, counts with each row's share."""
    rows = {row.number: row for row in (comparison.best, comparison.baseline) if row is not None}
    for row in rows.values():
        for test_set, tasks in row.confusion.items():
            for task, counts in tasks.items():
                title = f"#{row.number} {task} ({test_set})"
                if len(counts) > _MOST_CLASSES:
                    yield {"title": title, "pairs": _confused(counts), "classes": len(counts)}
                else:
                    lines = [(label, _shares(line)) for label, line in counts.items()]
                    yield {"title": title, "labels": list(counts), "lines": lines}


def _confused(counts: Mapping[str, Sequence[int]]) -> list[tuple[str, str, int, int]]:
    """Return the pairs of classes that are confused most: true, predicted, sentences, percent of the true class."""
    labels = list(counts)
    pairs = [
        (true, labels[index], count, share)
        for true, line in counts.items()
        for index, (count, share) in enumerate(_shares(line))
        if count and labels[index] != true
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:_MOST_PAIRS]


def _shares(counts: Sequence[int]) -> list[tuple[int, int]]:
    total = max(sum(counts), 1)
    return [(count, round(100 * count / total)) for count in counts]
