"""The benchmark ``startup``: from the command to the first optimizer step, and to the answers for a few texts."""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.bundle import write_bundle
from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import ROOT, texts_of

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
    """Measure the seconds from a command to its first optimizer step or its end, and those of the parts of that way."""
    with tempfile.TemporaryDirectory() as folder:
        steps = _STEPS | answers(settings, Path(folder))
        baselines = {name: Baseline(partial(start, arguments)) for name, arguments in steps.items()}
        return compare("startup", "starts", baselines, settings)


def answers(settings: Settings, folder: Path) -> dict[str, list[str]]:
    """Write a bundle and texts into a folder, and return the commands that answer for them."""
    write_bundle(settings, folder / "bundle")
    lines = [" ".join(text.split()) + "\n" for text in texts_of(settings)[:100]]
    for count in (10, 100):
        (folder / f"{count}.txt").write_text("".join(lines[:count]), encoding="utf-8")
    to = "overwrite=true"
    predict = [f"model={folder / 'bundle'}", f"input={folder / '10.txt'}", f"output={folder / 'predicted.csv'}", to]
    encode = [f"input={folder / '100.txt'}", f"output={folder / 'embeddings.npy'}", to]
    return {
        "predict.py on 10 lines": ["scripts/predict.py", *predict],
        "encode.py on 100 lines": ["scripts/encode.py", *encode],
    }


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
