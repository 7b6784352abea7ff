"""Write a run's model as a bundle: ``python scripts/export.py runs/NAME``; ``--help`` for more."""

import sys

import hydra
from omegaconf import DictConfig

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.terminal.command_line import folder_as, run_hydra, run_job


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="export")
def main(config: DictConfig) -> None:
    """Run one job; heavy imports wait until then."""
    run_job("polyhead.app.jobs.export", config)


def command() -> None:
    """Run the command line."""
    sys.argv[1:] = folder_as("run", sys.argv[1:])
    run_hydra(main, configs=CONFIGS, name="export")


if __name__ == "__main__":
    command()
