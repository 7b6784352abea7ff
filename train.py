"""Train and evaluate a multi-task sentence transformer: ``python train.py freeze=backbone``; ``--help`` for more."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from polyhead.app.command_line import run, run_job
from polyhead.app.old_names import new_overrides


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> float | None:
    """Run one job; heavy imports wait until then."""
    return run_job("polyhead.app.train", config)


if __name__ == "__main__":
    sys.argv[1:] = new_overrides(sys.argv[1:])
    run(main, configs=Path(__file__).parent / "configs", name="train")
