"""A tiny bundle, with random weights."""

import fcntl
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from support.fakes import WORDS, word_tokenizer

import polyhead
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.backends import GRAPH, INT8_GRAPH
from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.graph import quantize, write_graph
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.deployment.bundle.scores import write_scores
from polyhead.deployment.predictions import Floats
from polyhead.models.multitask import MultiTaskModel
from polyhead.storage.output import write_atomically
from polyhead.tasks import Task
from polyhead.training.validation_scores import ValidationScores

MAX_LENGTH = 16


def bundle_tokenizer() -> TextTokenizer:
    """Make the tokenizer of a tiny bundle."""
    return TextTokenizer(word_tokenizer(), MAX_LENGTH)


def texts(count: int) -> list[str]:
    """Make texts of many lengths, some of them longer than the limit, one of them empty."""
    return [" ".join(WORDS[(7 * i + j) % 90] for j in range(i % 19)) for i in range(count)]


def spoken(count: int) -> list[str]:
    """Make texts of many lengths of which none is blank: the server takes no other."""
    return [text for text in texts(2 * count) if text.strip()][:count]


def manifest_of(tasks: Sequence[Task], **temperatures: float) -> Manifest:
    entries = [
        TaskEntry(task.name, list(task.labels), temperatures.get(task.name), {"accuracy": 0.5}) for task in tasks
    ]
    return Manifest(entries, MAX_LENGTH, {"polyhead": "0"})


def made_up_scores(tasks: Sequence[Task], rows: int = 2000) -> dict[str, ValidationScores]:
    """Make the validation scores of heads whose probabilities are true."""
    dice = np.random.default_rng(0)
    scores: dict[str, ValidationScores] = {}
    for task in tasks:
        shares = dice.dirichlet([0.3] * len(task.labels), size=rows).astype(np.float32)
        labels = (dice.random((rows, 1)) > shares.cumsum(axis=1)[:, :-1]).sum(axis=1)
        scores[task.name] = ValidationScores.of(shares, labels)
    return scores


def half_right(shares: Floats) -> ValidationScores:
    """Make the scores of a head that is right where it is more confident than in half of the cases (N, C)."""
    confident = shares.max(axis=1) >= np.median(shares.max(axis=1))
    return ValidationScores.of(shares, np.where(confident, shares.argmax(axis=1), shares.argmin(axis=1)))


def add_scores(bundle: Path, tasks: Sequence[Task], scores: Mapping[str, ValidationScores] | None = None) -> None:
    """Put scores into a bundle, made-up ones if none are given."""
    write_scores(bundle, made_up_scores(tasks) if scores is None else scores)
    seal(bundle, manifest_of(tasks))


def machine_paths(*folders: Path) -> list[bytes]:
    """List the places of this machine that no file of a bundle may name, and those given."""
    places = [Path.cwd(), Path.home(), Path(polyhead.__file__).parents[1], Path(torch.__file__).parents[1], *folders]
    return [str(place).encode() for place in {*places, *(place.resolve() for place in places)}]


def naming_a_path(bundle: Path, *folders: Path) -> list[str]:
    """List the files of a bundle that name a place of this machine."""
    paths = machine_paths(*folders)
    files = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    return [str(path) for path, content in files.items() if any(place in content for place in paths)]


def make_bundle(folder: Path, model: MultiTaskModel, tasks: Sequence[Task], **temperatures: float) -> Path:
    folder.mkdir()
    write_model(folder, model.eval(), bundle_tokenizer())
    seal(folder, manifest_of(tasks, **temperatures))
    return folder


def shared_graphs(folder: Path, model: MultiTaskModel) -> Path:
    """Return the folder of the graphs of a model in ``folder``, which all processes of a session share; made once."""
    graphs = folder / "graphs"
    model.eval().requires_grad_(False)
    with (folder / "graphs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not graphs.exists():
            with write_atomically(graphs, folder=True) as partial:
                write_graph(partial / GRAPH, model, MAX_LENGTH)
                quantize(partial / GRAPH, partial / INT8_GRAPH)
    return graphs
