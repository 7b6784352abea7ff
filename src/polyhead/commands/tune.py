"""Search for better choices of train.py, judged on validation alone.

    python scripts/tune.py freeze=lower_layers trials=20
    python scripts/tune.py freeze=backbone data.sizes.train=500 trials=50 folder=runs/tuning-small
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
    parser.add_argument("--folder", type=Path, default=Path("runs/tuning"), help="of the study (runs/tuning)")
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

    tune.run(CONFIGS, options.space, options.overrides, options.folder, options.trials, options.config_dir)


def command() -> None:
    """Run the command line."""
    sys.exit(main())


if __name__ == "__main__":
    command()
