"""Page: a comparison as one HTML file that needs no network. Knows nothing about statistics."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from polyhead.runs.report import figures, table
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.curves import Curves
from polyhead.runs.report.statistics import Difference
from polyhead.runs.report.verdict import verdict
from polyhead.runs.status import DONE

_CURVES = {
    "validation/macro_f1": "validation macro-F1, mean over tasks",
    "train/loss": "training loss (nats)",
}


def page(comparison: Comparison, curves: Mapping[str, Curves], title: str) -> str:
    """Render the page.

    Args:
        comparison: to show.
        curves: folder of a run -> the values that the run logged by step.
        title: of the page.
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
    columns = table.columns(comparison)
    return environment.get_template("page.html.j2").render(
        title=title,
        comparison=comparison,
        counts=Counter(record.status for record in comparison.records),
        unfinished=[record for record in comparison.records if record.status != DONE],
        verdict=verdict(comparison),
        columns=columns,
        lines=list(zip(*(column.cells for column in columns), strict=True)),
        legend=table.legend(comparison),
        colors=[figures.color(row) for row in comparison.rows],
        figures=[Markup(svg) for svg in _figures(comparison, curves) if svg],
        differences=_differences(comparison) if several else [],
        confusions=list(_confusions(comparison)),
        conflicts=[(row, row.conflict) for row in comparison.rows if row.conflict],
    )


def _figures(comparison: Comparison, curves: Mapping[str, Curves]) -> Iterator[str]:
    if len(comparison.rows) > 1:
        for test_set in comparison.tests:
            yield figures.trade_off(comparison, test_set, "seconds", "seconds per run")
        headline = next(iter(comparison.tests))
        yield figures.trade_off(comparison, headline, "trainable_parameters", "trainable parameters")
    by_row = {row.number: _curves_of(row, curves) for row in comparison.rows}
    for name, title in _CURVES.items():
        yield figures.learning_curves(comparison, by_row, name, title)


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
                lines = [(label, _shares(line)) for label, line in counts.items()]
                yield {"title": f"#{row.number} {task} ({test_set})", "labels": list(counts), "lines": lines}


def _shares(counts: Sequence[int]) -> list[tuple[int, int]]:
    total = max(sum(counts), 1)
    return [(count, round(100 * count / total)) for count in counts]
