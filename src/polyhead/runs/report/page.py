"""Page: a comparison as one HTML file that needs no network. Knows nothing about statistics."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from polyhead.runs.report import figures, table
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.curves import Curves
from polyhead.runs.record import DONE, OVERALL
from polyhead.runs.report.statistics import Difference

MARGIN = 0.02
"""A loss in score that counts as none, when settings are called as good as the baseline."""

_BETTER, _WORSE = "significantly better than", "significantly worse than"
_AS_GOOD, _UNDECIDED = "no significant difference, and as good as", "no significant difference from"
_KINDS = {
    _BETTER: "",
    _AS_GOOD: f" to within {MARGIN}",
    _UNDECIDED: f", but a loss of more than {MARGIN} cannot be ruled out; more seeds or test sentences would tell",
    _WORSE: "",
}
_CURVES = {
    "validation/macro_f1": "validation macro-F1, mean over tasks",
    "train/loss": "training loss (nats)",
}


def page(comparison: Comparison, curves: Mapping[str, Curves], title: str) -> str:
    """Render the page.

    Args:
        comparison: what it shows.
        curves: folder of a run -> what the run logged step by step.
        title: of the page.
    """
    # Settings and file names are anybody's text: everything is escaped but the figures drawn here.
    environment = Environment(
        loader=PackageLoader("polyhead.runs.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    several = len(comparison.rows) > 1 and comparison.baseline is not None
    return environment.get_template("page.html.j2").render(
        title=title,
        comparison=comparison,
        counts=Counter(record.status for record in comparison.records),
        unfinished=[record for record in comparison.records if record.status != DONE],
        verdict=verdict(comparison),
        cells=table.cells(comparison),
        columns=set(comparison.rows[0].setting.values) if comparison.rows else set(),
        legend=table.legend(comparison),
        colours={str(row.number): figures.colour(row) for row in comparison.rows},
        figures=[Markup(svg) for svg in _figures(comparison, curves) if svg],
        differences=_differences(comparison) if several else [],
        confusions=list(islice(_confusions(comparison), 12)),
        conflicts=[(row, row.conflict) for row in comparison.rows if row.conflict],
    )


def verdict(comparison: Comparison) -> list[str]:
    """Say in a few sentences what the comparison comes to."""
    if not comparison.rows:
        return ["No run is done yet."]
    best, test = comparison.rows[0], next(iter(comparison.tests))
    lines = [
        f"Best on validation: #{best.number} ({best.setting.name}), with {table.metric_name(comparison)} "
        f"{table.score_text(best.scores[test][OVERALL])} on {test} in {_seconds(best)} a run."
    ]
    if any(len(row.setting.runs) < 2 for row in comparison.rows):
        lines.append("Some settings have one run only, which says nothing about other seeds; seed=0,1,2 makes three.")
    return lines + (_against(comparison, comparison.baseline, test) if comparison.baseline else [])


def _against(comparison: Comparison, baseline: Row, test: str) -> list[str]:
    """Sort the other settings by what is known about their difference from the baseline, a sentence each."""
    kinds: dict[str, list[Row]] = {}
    for row in comparison.rows:
        difference = row.differences.get(test, {}).get(OVERALL)
        if difference is not None:
            kinds.setdefault(_kind(difference), []).append(row)
    lines = [
        f"{', '.join(f'#{row.number}' for row in kinds[kind])}: {kind} #{baseline.number}{more}."
        for kind, more in _KINDS.items()
        if kind in kinds
    ]
    as_good = [baseline, *kinds.get(_BETTER, []), *kinds.get(_AS_GOOD, [])]
    cheapest = min(as_good, key=lambda row: row.costs["seconds"])
    if cheapest is not baseline:
        times = baseline.costs["seconds"] / cheapest.costs["seconds"]
        lines.append(
            f"The cheapest that is at least as good as #{baseline.number} is #{cheapest.number} "
            f"({cheapest.setting.name}): {_seconds(cheapest)} a run, {times:.1f} times as fast."
        )
    return lines


def _kind(difference: Difference) -> str:
    if difference.significant:
        return _BETTER if difference.value > 0 else _WORSE
    return _AS_GOOD if difference.not_worse(MARGIN) else _UNDECIDED


def _seconds(row: Row) -> str:
    return f"{table.cost_text('seconds', row.costs['seconds'])} seconds"


def _figures(comparison: Comparison, curves: Mapping[str, Curves]) -> list[str]:
    drawn: list[str] = []
    if len(comparison.rows) > 1:
        drawn += [figures.trade_off(comparison, test, "seconds", "seconds a run") for test in comparison.tests]
        test = next(iter(comparison.tests))
        drawn.append(figures.trade_off(comparison, test, "trainable_parameters", "trainable parameters"))
    by_row = {
        row.number: [curves.get(str(run.folder), {}) for run in row.setting.runs.values()] for row in comparison.rows
    }
    return drawn + [figures.learning_curves(comparison, by_row, name, title) for name, title in _CURVES.items()]


def _differences(comparison: Comparison) -> list[dict[str, Any]]:
    """Lay out every difference from the baseline, by setting."""
    columns = table.score_columns(comparison)
    return [
        {
            "row": row,
            "cells": [
                (difference := row.differences.get(test, {}).get(task), table.difference_text(difference))
                for test, task, _ in columns
            ],
            "titles": [title for _, _, title in columns],
        }
        for row in comparison.rows
        if row is not comparison.baseline
    ]


def _confusions(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield the confusion matrices of the best and of the baseline: title, labels, counts with each row's share."""
    rows = dict.fromkeys(row.number for row in (comparison.best, comparison.baseline) if row is not None)
    for row in (comparison.rows[number - 1] for number in rows):
        for test, tasks in row.confusion.items():
            for task, counts in tasks.items():
                lines = [(label, _shares(line)) for label, line in counts.items()]
                yield {"title": f"#{row.number} {task} ({test})", "labels": list(counts), "lines": lines}


def _shares(counts: Sequence[int]) -> list[tuple[int, int]]:
    total = max(sum(counts), 1)
    return [(count, round(100 * count / total)) for count in counts]
