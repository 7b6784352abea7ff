"""Compare runs: a page, tables in Markdown and a JSON file.

    python scripts/report.py runs/2026-01-31_12-00-00
    python scripts/report.py runs baseline="freeze=none weighting=equal" output=comparison

The page needs no network. The tables are printed, too. Needs the extra: pip install "polyhead[report]"
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from polyhead.app.terminal.flags import KeyParser
from polyhead.errors import UserError, interruptible, require_extra


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = KeyParser(__doc__, "RUN [RUN ...]")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, or folders that hold some")
    parser.add_argument("--output", type=Path, default=Path("report"), help="OUTPUT.html, .md, .json (report)")
    parser.add_argument("--baseline", help="the condition to compare with, as 'freeze=none' (the best on validation)")
    parser.add_argument("--metric", help="macro_f1, accuracy, or score: the headline of each task (macro_f1)")
    parser.add_argument("--over", nargs="+", default=["seed"], metavar="KEY", help="keys to average over (seed)")
    options = parser.parse(arguments)
    try:
        print(report(options.runs, options.output, options.baseline, options.metric, options.over), end="")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def report(runs: Sequence[Path], output: Path, baseline: str | None, metric: str | None, over: Sequence[str]) -> str:
    """Compare the runs, write the three files and return the tables in Markdown."""
    with require_extra("report", "report"):
        from polyhead.runs.report.report import make_report
    return make_report(runs, metric, over, baseline).save(output)


def command() -> None:
    """Run the command line."""
    with interruptible():
        sys.exit(main())


if __name__ == "__main__":
    command()
