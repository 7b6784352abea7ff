"""Turn texts into embeddings: ``python scripts/encode.py input=texts.txt output=a.npy``; ``--help`` for more."""

import sys

import hydra
from omegaconf import DictConfig

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.config.old_names import new_overrides
from polyhead.app.terminal.command_line import run_hydra, run_job
from polyhead.app.terminal.late_imports import delay_training


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="encode")
def main(config: DictConfig) -> None:
    """Run one job; heavy imports wait until then."""
    run_job("polyhead.app.jobs.encode", config)


def command() -> None:
    """Run the command line."""
    delay_training()
    sys.argv[1:] = new_overrides(sys.argv[1:])
    run_hydra(main, configs=CONFIGS, name="encode")


if __name__ == "__main__":
    command()
