"""Predict: ``python scripts/predict.py model=FOLDER input=a.csv output=b.csv``; ``--help`` for more."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from polyhead.app.command_line import run, run_job

CONFIGS = Path(__file__).parents[1] / "configs"


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="predict")
def main(config: DictConfig) -> None:
    """Run one job; heavy imports wait until then."""
    run_job("polyhead.app.predict", config)


if __name__ == "__main__":
    run(main, configs=CONFIGS, name="predict")
