"""Checkouts: another source tree and this one, measured in turn by commands and keys that both understand."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.embedding import min_cosine
from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.startup import STOP
from benchmarks.workload import ROOT, SPLITS, write_csv_folder
from polyhead.errors import UserError

Measure = Callable[[Path, int], Measurement]
"""Takes a checkout and the number of the repeat."""
_CACHES = ("POLYHEAD_FEATURES", "POLYHEAD_ACTIVATIONS", "POLYHEAD_TOKENS", "POLYHEAD_DATA")  # of any version
_ENCODED = re.compile(r"^([\d,]+) embeddings .*: ([\d,]+) (?:a|per) second", re.MULTILINE)


def compare_checkouts(name: str, settings: Settings) -> list[Comparison]:
    """Measure ours in the checkout ``settings.against`` and in this one, in turn, each time in a fresh process.

    Raises:
        UserError: a command failed in one of them, or Python imports another package than that of the checkout.
    """
    checkouts = {"the other checkout": Path(settings.against).resolve(), "this checkout": ROOT}
    for checkout in checkouts.values():
        imported = _run(checkout, "-c", "import polyhead; print(polyhead.__file__)").strip()
        if not Path(imported).is_relative_to(checkout):
            raise UserError(f"against={settings.against}: Python takes {imported}, not the package in {checkout}")
    comparisons = []
    with tempfile.TemporaryDirectory() as folder:
        for title, unit, measure in _measures(name, settings, Path(folder)):
            baselines = {label: Baseline(partial(measure, checkout)) for label, checkout in checkouts.items()}
            comparisons.append(compare(title, unit, baselines, settings))
    return comparisons


def _measures(name: str, settings: Settings, folder: Path) -> list[tuple[str, str, Measure]]:
    """Return title, unit and measure of each command of a benchmark."""
    if name == "startup":
        commands = {"train.py --help": "--help", "train.py to its first optimizer step": STOP}
        return [(f"startup, {title}", "starts", partial(_start, option)) for title, option in commands.items()]
    tasks = write_csv_folder(settings, folder)
    if name == "finetune":
        return [("finetune", "sentences", partial(_finetune, settings, folder, tasks))]
    return [("encode", "sentences", partial(_encode, settings, folder))]


def _start(option: str, checkout: Path, _: int) -> Measurement:
    started = time.perf_counter()
    _run(checkout, "train.py", option)
    seconds = time.perf_counter() - started
    return Measurement(1, seconds, {"seconds": seconds})


def _finetune(settings: Settings, folder: Path, tasks: list[str], checkout: Path, seed: int) -> Measurement:
    splits = [f"data.files.{split}={folder / split}.csv" for split in SPLITS]
    options = [f"accelerator={settings.device}", f"loader.batch_size={settings.batch_size}", f"seed={seed}"]
    options += [f"trainer.max_epochs={settings.epochs}", f"compile={bool(settings.compile)}", "logger=none"]
    with tempfile.TemporaryDirectory() as run:
        options += [*_encoder_options(settings), f"tasks=[{','.join(tasks)}]", f"hydra.run.dir={run}/run"]
        _run(checkout, "train.py", "data=files", *splits, *options)
        metrics = json.loads(Path(run, "run", "metrics.json").read_text(encoding="utf-8"))
    seconds = metrics["seconds"]["training"]
    figures = {f"{task} accuracy": metrics["test"][task]["accuracy"] for task in tasks}
    return Measurement(round(metrics["sentences_per_second"] * seconds), seconds, figures)


def _encode(settings: Settings, folder: Path, checkout: Path, _: int) -> Measurement:
    output, reference = folder / "embeddings.npy", folder / "reference.npy"
    options = [f"input={folder / 'train.csv'}", f"output={output}", "overwrite=true", f"device={settings.device}"]
    printed = _run(checkout, "scripts/encode.py", *options, *_encoder_options(settings))
    found = _ENCODED.search(printed)
    if found is None:
        raise UserError(f"{checkout}: scripts/encode.py printed no rate, but {printed!r}")
    rows, rate = (int(number.replace(",", "")) for number in found.groups())
    embeddings = np.load(output)
    if not reference.exists():
        np.save(reference, embeddings)
    return Measurement(rows, rows / rate, {"min cosine": min_cosine(embeddings, np.load(reference))})


def _encoder_options(settings: Settings) -> list[str]:
    length = [f"encoder.max_length={settings.length}"] if settings.length else []
    return [f"encoder={settings.encoder}", f"encoder.pretrained={settings.encoder == 'minilm'}", *length]


def _run(checkout: Path, *arguments: str) -> str:
    """Run Python on the code of a checkout, with empty caches and in an empty folder, and return its output."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join([str(checkout / "src"), str(ROOT / "scripts")])
        caches = {name: f"{folder}/{name}" for name in _CACHES}
        environment = {**os.environ, **caches, "PYTHONPATH": path}
        script = [str(checkout / arguments[0])] if arguments[0].endswith(".py") else [arguments[0]]
        command = [sys.executable, *script, *arguments[1:]]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"{checkout}: {' '.join(arguments)} failed: {reason}")
    return done.stdout
