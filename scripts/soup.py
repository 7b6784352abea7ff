"""Average what several runs learned into one model, and evaluate it as they were.

    python scripts/soup.py runs/2026-01-31_12-00-00
    python scripts/soup.py runs/A runs/B runs/C --recipe greedy --folder runs/soup

The result is a run like any other: for report.py, export.py and encode.py. Its encoder costs what one encoder costs.
"""

import logging
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException

from polyhead.app.command_line import MISTAKE, explain
from polyhead.errors import UserError

CONFIGS = Path(__file__).parents[1] / "configs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs, or folders that hold some")
    parser.add_argument("--folder", type=Path, default=Path("runs/soup"), help="of the new run (runs/soup)")
    parser.add_argument(
        "--recipe", choices=("uniform", "greedy"), default="uniform", help="which runs to take (uniform: all)"
    )
    options = parser.parse_args(arguments)
    from polyhead.app.soup import run

    ours = logging.getLogger("polyhead")
    ours.addHandler(logging.StreamHandler(sys.stdout))
    ours.setLevel(logging.INFO)
    try:
        run(CONFIGS, options.runs, options.folder, options.recipe)
    except UserError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return MISTAKE
    except HydraException as error:
        print(f"error: {explain(error, CONFIGS, 'train')}", file=sys.stderr)
        return MISTAKE
    return 0


if __name__ == "__main__":
    sys.exit(main())
