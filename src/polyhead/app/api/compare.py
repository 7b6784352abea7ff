"""Compare: the report of runs that a Python program has."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.app.api.handle import Run
from polyhead.errors import UserError, require_extra

if TYPE_CHECKING:
    from polyhead.runs.report.report import Report


def compare(
    runs: Sequence[Run | str | Path] | Run | str | Path,
    *,
    baseline: str | None = None,
    metric: str | None = None,
    over: Sequence[str] = ("seed",),
    output: str | Path | None = None,
) -> "Report":
    """Compare runs: what ``polyhead report`` prints and writes, shown as a page in a notebook.

    Args:
        runs: what :func:`polyhead.fit` returned, folders of runs, or folders that hold some.
        baseline: the condition to compare with, as ``freeze=none``; None takes the best on validation.
        metric: ``macro_f1``, ``accuracy`` or ``score``, the headline of each task; None is ``macro_f1`` where that is
            the headline of all tasks, else ``score``.
        over: keys of the configuration to average over.
        output: also write ``OUTPUT.html``, ``OUTPUT.md`` and ``OUTPUT.json``; None writes nothing.

    Raises:
        UserError: a library is not installed, there are no runs, or one of the arguments is unknown.
    """
    given = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not given:
        raise UserError("runs: none given; give runs, folders of runs, or folders that hold some")
    with require_extra("report", "compare"):
        from polyhead.runs.report.report import make_report
    folders = [run.folder if isinstance(run, Run) else Path(run) for run in given]
    report = make_report(folders, metric, list(over), baseline)
    if output is not None:
        report.save(output)
    return report
