"""The commands as a user runs them, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL_DATA = ["data.sizes.train=64", "data.sizes.validation=32", "data.sizes.test=32", "trainer.max_epochs=2"]
TINY_ENCODER = [
    "encoder.pretrained=false",
    "encoder.architecture.hidden_size=24",
    "encoder.architecture.intermediate_size=48",
    "encoder.architecture.num_hidden_layers=2",
]
TINY = [*SMALL_DATA, *TINY_ENCODER, "accelerator=cpu"]


def train(*arguments, cwd, **environment):
    """Run ``python train.py`` as a user does, in another folder."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | environment,
        timeout=300,
    )


def script(name, *arguments, cwd=None, stdin=None, **environment):
    """Run a script as a user does, in this folder or in another."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | environment,
        timeout=300,
    )
