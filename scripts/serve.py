"""Serve a bundle over HTTP: ``python scripts/serve.py model=FOLDER``; ``--help`` for more."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from polyhead.app.command_line import run, run_job

CONFIGS = Path(__file__).parents[1] / "configs"


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="serve")
def main(config: DictConfig) -> None:
    """Run one job; heavy imports wait until then."""
    run_job("polyhead.app.serve", config)


if __name__ == "__main__":
    run(main, configs=CONFIGS, name="serve")
