"""Train and evaluate a multi-task sentence transformer: ``python train.py freeze=backbone``; ``--help`` for more."""

from collections.abc import Sequence

import hydra
from omegaconf import DictConfig

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.resume_point import resumed_overrides
from polyhead.app.terminal.command_line import run_hydra, run_job


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def main(config: DictConfig) -> float | None:
    """Run one job; heavy imports wait until then."""
    return run_job("polyhead.app.training.train", config)


def command() -> None:
    """Run the command line."""
    run_hydra(main, configs=CONFIGS, name="train", rewrite=_as_today)


def _as_today(arguments: Sequence[str]) -> list[str]:
    """Return the overrides under the names of today, with those of the run that is resumed."""
    return resumed_overrides(new_overrides(arguments), CONFIGS)


if __name__ == "__main__":
    command()
