"""Report: runs compared, as text, as a page and in notebooks. Knows nothing about how they came about."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from polyhead.errors import require_extra
from polyhead.runs.record import read_all
from polyhead.runs.report.comparison import Comparison, compare
from polyhead.runs.report.curves import Curves, read_curves
from polyhead.runs.report.files import write
from polyhead.runs.report.page import page
from polyhead.runs.report.table import markdown


class Report:
    """A comparison of runs; ``print`` gives its tables, a notebook shows its page.

    Args:
        comparison: of the runs.
        curves: folder of a run -> the values that it logged by step.
    """

    def __init__(self, comparison: Comparison, curves: Mapping[str, Curves]) -> None:
        self.comparison = comparison
        self.curves = curves

    def save(self, output: str | Path) -> str:
        """Write ``output.html``, ``output.md`` and ``output.json``, and return the tables in Markdown.

        Raises:
            UserError: the folder cannot be written.
        """
        return write(self.comparison, self.curves, Path(output))

    def __str__(self) -> str:
        return markdown(self.comparison)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that its style is not the notebook's."""
        content = escape(page(self.comparison, self.curves, title="Comparison of runs", folder=Path.cwd()))
        return f'<iframe srcdoc="{content}" style="width: 100%; height: 40em; border: 0"></iframe>'


def make_report(runs: Sequence[Path], metric: str | None, over: Sequence[str], baseline: str | None) -> Report:
    """Compare runs.

    Args:
        runs: folders of runs, or folders that hold some.
        metric: ``macro_f1``, ``accuracy`` or ``score``; None is the headline that all tasks have.
        over: keys of the configuration to average over.
        baseline: the condition to compare with, as ``freeze=none``; None takes the best on validation.

    Raises:
        UserError: a library is not installed, there are no runs, or one of the arguments is unknown.
    """
    with require_extra("report", "report"):
        import jinja2  # noqa: F401
        import scipy  # type: ignore[import-untyped]  # noqa: F401
    records = read_all(runs)
    comparison = compare(records, metric, over, baseline)
    curves = {str(record.folder): read_curves(record.folder) for record in records if record.found_metrics}
    return Report(comparison, curves)
