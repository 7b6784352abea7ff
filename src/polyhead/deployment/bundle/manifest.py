"""Manifest: what a bundle says of itself, its ``tasks.json``. Knows nothing about models.

It holds the tasks and what else a prediction needs, and the sha256 of every other file: what is missing, altered or
not listed is refused before anything is read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.models.pooling import POOLINGS
from polyhead.tasks import Task

FILE = "tasks.json"
FORMAT = 1
"""Raised when an older reader would misread the file."""

_UNSEALED = {FILE, "README.md"}  # a model card may be edited by its user


@dataclass(frozen=True)
class TaskEntry:
    """One head of a bundle.

    Args:
        name: of the task.
        labels: class names in the order of the logits.
        temperature: by which logits are divided before the softmax; None where none was fitted.
        metrics: of the test split, as numbers by name.
    """

    name: str
    labels: list[str]
    temperature: float | None
    metrics: Mapping[str, float]

    @property
    def task(self) -> Task:
        """The task without the rest."""
        return Task(self.name, tuple(self.labels))


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    Args:
        tasks: the heads, in their order.
        pooling: how token states become an embedding.
        max_length: longest text in tokens, special ones included.
        made_with: versions, and the run that the weights come from.
        quantisation: test accuracy by task of the graph in single precision and in int8, where there is one.
    """

    tasks: list[TaskEntry]
    pooling: str
    max_length: int
    made_with: Mapping[str, str]
    quantisation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, with the sha256 of every file that is in the folder now."""
    files = {name: _sha256(folder / name) for name in sorted(_sealed_files(folder))}
    content = {"format": FORMAT, **asdict(manifest), "files": files}
    (folder / FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def unseal(folder: Path) -> Manifest:
    """Read the manifest of a bundle whose files are all as they were written.

    Raises:
        UserError: no bundle, one of another format, or a file missing, altered or not listed.
    """
    content = _read(folder)
    listed = content.pop("files")
    there = _sealed_files(folder)
    for name in sorted(listed):
        if name not in there:
            raise UserError(f"{str(folder)!r}: the file {name!r} is missing; copy or export the bundle again")
    for name in sorted(there):
        if name not in listed:
            raise UserError(f"{str(folder)!r}: the file {name!r} is not of the bundle; remove it, or export again")
        if _sha256(folder / name) != listed[name]:
            raise UserError(f"{str(folder)!r}: the file {name!r} was altered; copy or export the bundle again")
    return _manifest(content, folder)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"{str(folder)!r} is no bundle, it has no {FILE}; give a folder that scripts/export.py wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content["files"], dict):
            raise TypeError("no object with files")
        if content.pop("format") != FORMAT:
            raise UserError(
                f"{str(path)!r} is of another format than {FORMAT}; export the run again with this version of polyhead"
            )
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder) from error
    return content


def _manifest(content: dict[str, Any], folder: Path) -> Manifest:
    try:
        entries = [TaskEntry(**entry) for entry in content.pop("tasks")]
        manifest = Manifest(tasks=entries, **content)
        names = [entry.task.name for entry in entries]
        positive = [int(manifest.max_length), *(e.temperature for e in entries if e.temperature is not None)]
        whole = min(positive) > 0 and manifest.pooling in POOLINGS
    except (KeyError, TypeError, ValueError) as error:  # a UserError of Task is a ValueError, too
        raise _unreadable(folder) from error
    if not whole or not names or len(set(names)) < len(names):
        raise _unreadable(folder)
    return manifest


def _unreadable(folder: Path) -> UserError:
    return UserError(f"{str(folder / FILE)!r} is not as scripts/export.py writes it; export the bundle again")


def _sealed_files(folder: Path) -> set[str]:
    return set(_visible_files(folder, "")) - _UNSEALED


def _visible_files(folder: Path, prefix: str) -> Iterator[str]:
    """Yield the names of all files below the folder; hidden ones belong to systems and version control."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _visible_files(path, f"{prefix}{path.name}/")
        else:
            yield prefix + path.name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
