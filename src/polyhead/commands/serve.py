"""Serve a bundle over HTTP: ``python scripts/serve.py model=FOLDER``; ``--help`` for more."""

import hydra
from omegaconf import DictConfig

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.terminal.command_line import run_hydra, run_job
from polyhead.app.terminal.late_imports import delay_training


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="serve")
def main(config: DictConfig) -> None:
    """Run one job; heavy imports wait until then."""
    run_job("polyhead.app.jobs.serve", config)


def command() -> None:
    """Run the command line."""
    delay_training()
    run_hydra(main, configs=CONFIGS, name="serve")


if __name__ == "__main__":
    command()
