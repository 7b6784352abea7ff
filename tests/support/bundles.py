"""A tiny bundle, with random weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from support.fakes import WORDS, word_tokenizer

import polyhead
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task

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
