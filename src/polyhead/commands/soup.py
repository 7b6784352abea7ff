"""Average the weights of several runs into one model, and evaluate it as they were.

    python scripts/soup.py runs/2026-01-31_12-00-00
    python scripts/soup.py runs/A runs/B runs/C recipe=greedy folder=runs/soup

The result is a run like any other, for report.py, export.py and encode.py, and as fast as one of them. A class that is
none of polyhead's is built only where its package is trusted: trust=my_package.
"""

import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.config.hydra_errors import Configuration
from polyhead.app.terminal.command_line import run, take_trust
from polyhead.app.terminal.flags import KeyParser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    rest, trust = take_trust(sys.argv[1:] if arguments is None else arguments)
    recipes = Configuration(CONFIGS, "train", rest).options("soup")
    parser = KeyParser(__doc__, "RUN [RUN ...]")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs, or folders that hold some")
    parser.add_argument("--folder", type=Path, default=Path("runs/soup"), help="of the new run (runs/soup)")
    parser.add_argument(
        "--recipe", choices=recipes, default="uniform", help="which runs to take, an option of soup (uniform: all)"
    )
    parser.add_config_dir()
    options = parser.parse(rest)
    ours = logging.getLogger("polyhead")
    ours.addHandler(logging.StreamHandler(sys.stdout))
    ours.setLevel(logging.INFO)
    run(partial(_soup, options, trust), CONFIGS, "train")


def _soup(options: Namespace, trust: Sequence[str]) -> None:
    from polyhead.app.config.trust import check_trust
    from polyhead.app.training import soup

    soup.run(CONFIGS, options.runs, options.folder, options.recipe, check_trust(trust), options.config_dir)


def command() -> None:
    """Run the command line."""
    main()


if __name__ == "__main__":
    command()
