"""Files: a comparison written as a page, as Markdown and as JSON. Knows nothing about what is in them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.curves import Curves
from polyhead.runs.report.page import page
from polyhead.runs.report.table import markdown


def write(comparison: Comparison, curves: Mapping[str, Curves], output: Path) -> str:
    """Write ``output.html``, ``output.md`` and ``output.json``, and return the Markdown.

    Raises:
        UserError: the folder cannot be written.
    """
    text = markdown(comparison)
    contents = {
        ".html": page(comparison, curves, title="Comparison of runs"),
        ".md": text,
        ".json": json.dumps(as_json(comparison), indent=2) + "\n",
    }
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for suffix, content in contents.items():
            output.with_name(output.name + suffix).write_text(content, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output: {str(output)!r} cannot be written ({error.strerror})") from error
    return text


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison in plain types."""
    return {
        "metric": comparison.metric,
        "averaged_over": list(comparison.over),
        "baseline": comparison.baseline.number if comparison.baseline else None,
        "settings": [_row(row) for row in comparison.rows],
        "runs": [
            {"folder": str(record.folder), "status": record.status, "message": record.message}
            for record in comparison.records
        ],
        "replaced": [str(record.folder) for record in comparison.replaced],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "setting": dict(row.setting.values),
        "runs": [str(run.folder) for run in row.setting.runs.values()],
        "validation": asdict(row.validation),
        "test": {test: {task: asdict(score) for task, score in tasks.items()} for test, tasks in row.scores.items()},
        "differences": {
            test: {
                task: difference and asdict(difference) | {"significant": difference.significant}
                for task, difference in tasks.items()
            }
            for test, tasks in row.differences.items()
        },
        "costs": dict(row.costs),
        "features_reused": row.features,
        "on_pareto_front": row.front,
        "confusion": row.confusion,
        "conflict": dict(row.conflict),
    }
