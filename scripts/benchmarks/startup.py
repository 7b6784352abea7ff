"""The benchmark ``startup``: from the command to the first optimizer step."""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import ROOT

STOP = "+callbacks.clock._target_=benchmarks.clock.StopAfterFirstStep"
"""Override by which ``train.py`` ends after its first optimizer step."""

_STEPS = {
    "python": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "import transformers' models": ["-c", "import polyhead.models.pretrained"],
    "import lightning": ["-c", "import lightning"],
    "train.py --help": ["train.py", "--help"],
    "train.py to its first optimizer step": ["train.py", STOP],
}


def startup(settings: Settings) -> Comparison:
    """Measure the seconds from the command to the first optimizer step, and those of the parts of that way."""
    baselines = {name: Baseline(partial(start, arguments)) for name, arguments in _STEPS.items()}
    return compare("startup", "starts", baselines, settings)


def start(arguments: list[str], _: int) -> Measurement:
    """Run Python with ``arguments`` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *arguments]
        if STOP in arguments:
            command.append(f"hydra.run.dir={folder}/run")
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'scripts'}"}
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
        seconds = time.perf_counter() - started
    return Measurement(1, seconds, {"seconds": seconds})
