"""Search for better choices of train.py, judged on validation alone.

    python scripts/tune.py freeze=lower_layers trials=20
    python scripts/tune.py freeze=backbone data.sizes.train=500 trials=50 folder=runs/tuning-small
    python scripts/tune.py freeze=lower_layers trials=100 storage=journal:/shared/study.log folder=/shared/runs
    python scripts/tune.py --config-dir configs data=mine

The search space stands in configs/tune.yaml. Needs the extra: pip install "polyhead[tune]"
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.terminal.command_line import run
from polyhead.app.terminal.flags import KeyParser
from polyhead.errors import require_extra


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = KeyParser(__doc__, "[OVERRIDE ...]")
    parser.add_argument("overrides", nargs="*", help="choices that all trials share, as for train.py")
    parser.add_argument("--trials", type=int, default=20, help="how many the study shall have in the end (20)")
    parser.add_argument("--folder", type=Path, default=Path("runs/tuning"), help="of the runs (runs/tuning)")
    parser.add_argument(
        "--storage",
        help="of the study, for several hosts: journal:PATH or postgresql://USER@HOST/DATABASE (a file in folder)",
    )
    parser.add_argument("--study", help="its name in a storage that holds several (tuning)")
    parser.add_argument(
        "--space", type=Path, default=CONFIGS / "tune.yaml", help="file of the search space (configs/tune.yaml)"
    )
    parser.add_config_dir()
    options = parser.parse(arguments)
    run(lambda: _tune(options), CONFIGS, "train")
    return 0


def _tune(options: Namespace) -> None:
    with require_extra("tune", "tune"):
        import optuna  # noqa: F401
    from polyhead.app.training import tune
    from polyhead.runs.study_places import find_storage

    storage = find_storage(options.storage, options.folder, options.study)
    tune.run(CONFIGS, options.space, options.overrides, options.folder, options.trials, options.config_dir, storage)


def command() -> None:
    """Run the command line."""
    sys.exit(main())


if __name__ == "__main__":
    command()
