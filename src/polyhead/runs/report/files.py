"""Files: a comparison written as a page, as Markdown and as JSON. Knows nothing about their content."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.curves import Curves
from polyhead.runs.report.page import page
from polyhead.runs.report.statistics import Difference, Mean
from polyhead.runs.report.table import markdown
from polyhead.storage.output import write_atomically, write_errors


def write(comparison: Comparison, curves: Mapping[str, Curves], output: Path) -> str:
    """Write ``output.html``, ``output.md`` and ``output.json``, and return the Markdown.

    Raises:
        UserError: the name is empty, or the folder cannot be written.
    """
    if not output.name:
        raise UserError(f"output: {str(output)!r} given; name the files without their endings, as in output=report")
    text = markdown(comparison)
    contents = {
        ".html": page(comparison, curves, title="Comparison of runs", folder=output.parent),
        ".md": text,
        ".json": json.dumps(as_json(comparison), indent=2) + "\n",
    }
    with write_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        for suffix, content in contents.items():
            with write_atomically(output.with_name(output.name + suffix)) as partial:
                partial.write_text(content, encoding="utf-8")
    return text


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison in plain types."""
    return {
        "metric": comparison.metric,
        "averaged_over": list(comparison.over),
        "baseline": comparison.baseline.number if comparison.baseline else None,
        "conditions": [_row(row) for row in comparison.rows],
        "runs": [
            {"folder": str(record.folder), "status": record.status, "message": record.message}
            for record in comparison.records
        ],
        "notes": list(comparison.notes),
        "replaced": [str(record.folder) for record in comparison.replaced],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "condition": dict(row.condition.values),
        "runs": [str(run.folder) for run in row.condition.runs.values()],
        "validation": asdict(row.validation),
        "test": {test_set: _scores(scores) for test_set, scores in row.scores.items()},
        "differences": {test_set: _differences(tasks) for test_set, tasks in row.differences.items()},
        "costs": dict(row.costs),
        "activations_reused": row.activations,
        "on_pareto_front": row.front,
        "confusion": row.confusion,
        "conflict": dict(row.conflict),
        "health": _scores(row.health),
    }


def _scores(scores: Mapping[str, Mean]) -> dict[str, dict[str, Any]]:
    return {task: asdict(score) for task, score in scores.items()}


def _differences(tasks: Mapping[str, Difference | None]) -> dict[str, dict[str, Any] | None]:
    return {
        task: None if difference is None else {**asdict(difference), "significant": difference.significant}
        for task, difference in tasks.items()
    }
