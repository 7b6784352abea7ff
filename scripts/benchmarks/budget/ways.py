"""The benchmark ``budget``: seconds from a command to the labels of the test sentences, against how right they are."""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.budget.job import Job
from benchmarks.few_labels import draw
from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import ROOT, SPLITS, multiplies_bf16, open_data, open_encoder, write_rows
from polyhead.errors import UserError
from polyhead.models.model_files import ModelFiles

_SETFIT = ("setfit", "datasets", "evaluate")
_HEADS = ("freeze=backbone",)
_UPPER = ("freeze=lower_layers", "optimizer.encoder_lr=3e-4")
_UNCHECKED = ("data.holdout.validation=0.0", "data.files.validation=null")
_AS_A_PEER = ("heads=trained", *_UNCHECKED)
_QUICK = (*_UNCHECKED, "heads.rows=1000", "model.encoder_dropout=0")
_CACHES = ("POLYHEAD_TOKENS", "POLYHEAD_DATA", "POLYHEAD_ACTIVATIONS")


@dataclass(frozen=True)
class Way:
    """One way to learn a task.

    Args:
        peer: one of :data:`benchmarks.budget.peers.PEERS`; empty for ours.
        choices: of ``train.py``, of ours.
        epochs: of training, of a peer.
        labels: per class, drawn at random, that are learned from; 0 takes all sentences.
        packages: by import name, without which it is left out.
    """

    peer: str = ""
    choices: tuple[str, ...] = ()
    epochs: int = 1
    labels: int = 0
    packages: tuple[str, ...] = ()


WAYS: dict[str, Way] = {
    "TF-IDF, logistic regression": Way("tf_idf"),
    "model2vec, logistic regression": Way("static_embeddings", packages=("model2vec",)),
    "model2vec's classifier": Way("static_classifier", packages=("model2vec",)),
    "sentence-transformers, logistic regression": Way("embeddings"),
    "SetFit, 8 per class": Way("set_fit", labels=8, packages=_SETFIT),
    "polyhead, few_shot, 8 per class": Way(choices=("experiment=few_shot", *_UNCHECKED), labels=8),
    "polyhead, freeze=backbone, 1 layer": Way(choices=(*_HEADS, "encoder.layers=1")),
    "polyhead, freeze=backbone, 3 layers": Way(choices=(*_HEADS, "encoder.layers=3")),
    "polyhead, freeze=backbone": Way(choices=_HEADS),
    "polyhead, 3 layers, 1 epoch": Way(choices=("encoder.layers=3", "trainer.max_epochs=1")),
    "polyhead, quick, 3 layers, 1 epoch": Way(choices=(*_QUICK, "encoder.layers=3", "trainer.max_epochs=1")),
    "polyhead, quick, freeze=lower_layers, 3e-4, 1 epoch": Way(choices=(*_QUICK, *_UPPER, "trainer.max_epochs=1")),
    "polyhead, freeze=lower_layers, 3e-4, 1 epoch": Way(choices=(*_UPPER, "trainer.max_epochs=1")),
    "polyhead, freeze=lower_layers, 3e-4, 2 epochs": Way(choices=(*_UPPER, "trainer.max_epochs=2")),
    "polyhead, freeze=lower_layers": Way(choices=("freeze=lower_layers",)),
    "polyhead, lp_ft, 1 epoch": Way(choices=("experiment=lp_ft", "trainer.max_epochs=1")),
    "Trainer, 1 epoch": Way("trainer"),
    "polyhead, quick, freeze=embeddings, 1 epoch": Way(choices=(*_QUICK, "freeze=embeddings", "trainer.max_epochs=1")),
    "polyhead, heads=trained, no validation, 1 epoch": Way(choices=(*_AS_A_PEER, "trainer.max_epochs=1")),
    "polyhead, 1 epoch": Way(choices=("trainer.max_epochs=1",)),
    "sentence-transformers' trainer, logistic regression": Way("tuned_embeddings", packages=("datasets",)),
    "Trainer, 2 epochs": Way("trainer", epochs=2),
    "polyhead, quick, freeze=embeddings, 2 epochs": Way(choices=(*_QUICK, "freeze=embeddings", "trainer.max_epochs=2")),
    "polyhead, heads=trained, no validation, 2 epochs": Way(choices=(*_AS_A_PEER, "trainer.max_epochs=2")),
    "polyhead, 2 epochs": Way(choices=("trainer.max_epochs=2",)),
    "Trainer, 3 epochs": Way("trainer", epochs=3),
    "polyhead, 3 epochs (the default)": Way(),
}
_LEAN = ("logger=none", "health=off")
"""Choices of all of ours: no curves and no look at the embedding, neither of which a peer gives."""


def budget(settings: Settings) -> Comparison:
    """Measure each way to learn the first task, from its command to its answers, in a process of its own.

    Raises:
        UserError: the data have no task, the encoder has no weights, or a way fails.
    """
    _, tasks = open_data(settings)
    if not tasks:
        raise UserError(f"data={settings.data}: budget needs a column category or sentiment with two classes or more")
    if settings.encoder != "minilm":
        raise UserError(f"encoder={settings.encoder}: budget takes minilm alone, whose weights its peers read, too")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_splits(settings, tasks[0].name, folder)
        job = Job(
            train=str(folder / "train.csv"),
            test=str(folder / "test.csv"),
            task=tasks[0].name,
            encoder=ModelFiles(open_encoder(settings).location).name,
            static=settings.static or str(folder / "static"),
            batch_size=settings.batch_size,
            gpu=settings.device == "gpu",
            bf16=multiplies_bf16(settings),
        )
        return compare_ways(job, settings)


def write_splits(settings: Settings, task: str, folder: Path) -> None:
    """Write the three files of a task, sentences without its label left out."""
    source, _ = open_data(settings)
    for split in SPLITS:
        rows = [sentence for sentence in source.sentences(split) if sentence.labels.get(task) is not None]
        write_rows(folder / f"{split}.csv", rows, [task])


def compare_ways(job: Job, settings: Settings) -> Comparison:
    """Run the ways whose packages are there, and note the others and the front."""
    chosen = {title: way for title, way in WAYS.items() if re.search(settings.ways, title)}
    if not chosen:
        raise UserError(f"ways={settings.ways}: it is found in none of: {'; '.join(WAYS)}")
    missing = {title: lacking for title, way in chosen.items() if (lacking := _lacking(way.packages))}
    notes = [f"left out: {title}; run: pip install {' '.join(names)}" for title, names in missing.items()]
    kept = {title: way for title, way in chosen.items() if title not in missing}
    if not settings.static and any("model2vec" in way.packages for way in kept.values()):
        kept, note = _distil(kept, job)
        notes.append(note)
    baselines = {title: Baseline(partial(measure, way, job, settings)) for title, way in kept.items()}
    comparison = compare("budget", "runs", baselines, settings)
    fronts = {"seconds": front(comparison, "seconds"), "processor time": front(comparison, "processor")}
    comparison.notes += notes + [f"on the front of {cost}: {'; '.join(names)}" for cost, names in fronts.items()]
    return comparison


def _lacking(packages: Sequence[str]) -> list[str]:
    return [name for name in packages if find_spec(name) is None]


def _distil(ways: Mapping[str, Way], job: Job) -> tuple[dict[str, Way], str]:
    """Make the static model once; return the ways that can run, and a note."""
    if lacking := _lacking(("skeletoken",)):  # of model2vec[distill]
        kept = {title: way for title, way in ways.items() if "model2vec" not in way.packages}
        return kept, f"left out: model2vec; run: pip install {lacking[0]}, with which it makes a static model"
    _, seconds = _ask_peer("distil", job)
    return dict(ways), f"model2vec distilled its model in {seconds:,.0f} seconds, which no row counts"


def measure(way: Way, job: Job, settings: Settings, seed: int) -> Measurement:
    """Run a way with empty caches; what is counted ends with the answers."""
    from sklearn.metrics import accuracy_score, f1_score  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = replace(job, seed=seed, epochs=way.epochs)
        if way.labels:
            job = replace(job, train=_draw_sample(job, way.labels, settings, folder))
        started, used = time.perf_counter(), _processor_seconds()
        truth, predicted, learning = _train(way.choices, job, folder) if not way.peer else _ask(way.peer, job)
        seconds, used = time.perf_counter() - started, _processor_seconds() - used
    figures = {
        "seconds": seconds,
        "processor": used,
        "learning": learning,
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro-F1": float(f1_score(truth, predicted, average="macro")),
    }
    return Measurement(1, seconds, figures)


def _processor_seconds() -> float:
    """Return what all processes took that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _draw_sample(job: Job, labels: int, settings: Settings, folder: Path) -> str:
    pool = [*open_data(settings)[0].sentences("train")]
    path = folder / "few.csv"
    write_rows(path, draw(job.task, labels, pool, job.seed), [job.task])
    return str(path)


Answers = tuple[Sequence[object], Sequence[object], float]
"""The labels of the test sentences, those predicted, and the seconds of learning."""


def _ask(peer: str, job: Job) -> Answers:
    predicted, seconds = _ask_peer(peer, job)
    return job.read(job.test)[1], predicted, seconds


def _ask_peer(peer: str, job: Job) -> tuple[list[str], float]:
    """Run a peer in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        _run(["-m", "benchmarks.budget.peers", peer, name], folder)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return answer["predicted"], answer["seconds"]


def _train(choices: Sequence[str], job: Job, folder: Path) -> Answers:
    """Run ``train.py``; its seconds of learning are those of the whole run but for imports."""
    files = {"train": job.train, "validation": str(Path(job.test).with_name("validation.csv")), "test": job.test}
    command = [str(ROOT / "train.py"), "data=files", *(f"data.files.{split}={file}" for split, file in files.items())]
    command += [f"tasks=[{job.task}]", f"seed={job.seed}", f"accelerator={'gpu' if job.gpu else 'cpu'}"]
    command += [f"loader.batch_size={job.batch_size}", "hydra.run.dir=run", *_LEAN, *choices]
    _run(command, folder)
    with np.load(folder / "run" / "predictions.npz") as arrays:
        truth, predicted = (arrays[f"test/{job.task}/{name}"].tolist() for name in ("label", "predicted"))
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    return truth, predicted, metrics["seconds"]["total"]


def _run(arguments: Sequence[str], folder: Path) -> None:
    """Run Python in a folder, caches of ours in it."""
    environment = os.environ | {name: str(folder / name) for name in _CACHES}
    paths = [str(ROOT / "src"), str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise UserError(f"budget: {' '.join(arguments)} failed: {lines[-1] if lines else done.returncode}")


def front(comparison: Comparison, cost: str) -> list[str]:
    """Return the names of the entries that nothing with less of a cost is as accurate as, the cheapest first."""
    points = [
        (statistics.median(entry.extra[cost]), statistics.fmean(entry.extra["accuracy"]), entry.name)
        for entry in comparison.entries
    ]
    best, names = 0.0, []
    for _, accuracy, name in sorted(points, key=lambda point: (point[0], -point[1])):
        if accuracy > best:
            best = accuracy
            names.append(name)
    return names
