"""Train a run again from the files it left, and say whether its metrics are the same.

    python scripts/reproduce.py runs/2026-01-31_12-00-00

A class that is none of polyhead's is built only where its package is trusted: trust=my_package.
Exit codes: 0 the same to the last bit, 1 not the same, 2 a mistake in what was given.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.terminal.command_line import run, take_trust
from polyhead.app.terminal.flags import KeyParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = KeyParser(__doc__, "RUN")
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--folder", type=Path, help="of the new run (RUN-again)")
    parser.add_config_dir()
    rest, trust = take_trust(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse(rest)
    from polyhead.app.config.trust import check_trust
    from polyhead.app.training import reproduce

    logging.basicConfig(format="%(message)s")
    logging.getLogger().handlers[0].setLevel(logging.ERROR)  # the logger's own level would not hold Lightning back
    original = options.run if options.run.name not in ("", "..") else options.run.resolve()  # "." has no name
    folder = options.folder or original.with_name(f"{original.name}-again")
    search = options.config_dir
    same = run(lambda: reproduce.run(CONFIGS, options.run, folder, check_trust(trust), search), CONFIGS, "train")
    return 0 if same else 1


def command() -> None:
    """Run the command line."""
    sys.exit(main())


if __name__ == "__main__":
    command()
