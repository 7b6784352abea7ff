"""Say what to label next, or which labels are wrong: ``python scripts/label.py model=FOLDER``; ``--help`` for more."""

import logging
import sys

import hydra
from omegaconf import DictConfig

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.terminal.command_line import folder_as, run_hydra, run_job


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="label")
def main(config: DictConfig) -> None:
    """Run one job; heavy imports wait until then."""
    ours = logging.getLogger("polyhead")
    ours.addHandler(logging.StreamHandler())
    ours.setLevel(logging.INFO)
    ours.propagate = False  # Hydra would print the same lines once more, to standard output, where the rows may go
    run_job("polyhead.app.jobs.label", config)


def command() -> None:
    """Run the command line."""
    sys.argv[1:] = folder_as("model", sys.argv[1:])
    run_hydra(main, configs=CONFIGS, name="label")


if __name__ == "__main__":
    command()
