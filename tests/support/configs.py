"""Configurations composed as the command line composes them."""

from hydra import compose, initialize_config_dir
from support.commands import ROOT

CONFIGS = ROOT / "configs"


def composed(folder, *overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", overrides=[f"run_dir={folder}", *overrides])
