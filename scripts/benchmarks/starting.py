"""What comes before training: the start of the program, and the generated sentences."""

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.measuring import Contestant, Outcome, compete
from benchmarks.settings import Settings
from benchmarks.workload import ROOT
from polyhead.sources.synthetic.corpus import HypotheticalCorpus


def startup(settings: Settings) -> Outcome:
    """Measure the seconds from the command to the first optimizer step, and where they go."""
    steps = {
        "python": ["-c", "pass"],
        "import torch": ["-c", "import torch"],
        "import transformers' models": ["-c", "import polyhead.models.pretrained"],
        "import lightning": ["-c", "import lightning"],
        "train.py --help": ["train.py", "--help"],
        "train.py to its first optimizer step": [
            "train.py",
            "+callbacks.clock._target_=benchmarks.clock.StopAfterFirstStep",
        ],
    }

    def timed(arguments: list[str]) -> Contestant:
        def contestant(_: int) -> tuple[float, dict[str, float]]:
            with tempfile.TemporaryDirectory() as folder:
                extra = [f"hydra.run.dir={folder}/run"] if "+callbacks" in arguments[-1] else []
                started = time.perf_counter()
                subprocess.run(
                    [sys.executable, *arguments, *extra],
                    cwd=ROOT,
                    check=True,
                    capture_output=True,
                    env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
                )
                seconds = time.perf_counter() - started
            return 1 / seconds, {"seconds": seconds}

        return contestant

    return compete("startup", "starts", {name: timed(step) for name, step in steps.items()}, settings.repeats)


def corpus(settings: Settings) -> Outcome:
    """Measure how fast hypothetical sentences are generated, on one core."""
    size = settings.rows or 100_000

    def generator(split: str) -> Contestant:
        def contestant(seed: int) -> tuple[float, dict[str, float]]:
            source = HypotheticalCorpus({split: size}, seed, label_noise=0, imbalance=1, correlation=0, missing=0)
            started = time.perf_counter()
            texts = {sentence.text for sentence in source.sentences(split)}
            return size / (time.perf_counter() - started), {"distinct": len(texts) / size}

        return contestant

    return compete(
        "corpus", "sentences", {split: generator(split) for split in ("train", "validation", "test")}, settings.repeats
    )
