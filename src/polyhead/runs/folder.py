"""Folder: where one run's files lie, written whole and read back. Knows nothing about their content.

A run's folder holds ``config.yaml`` (resolved), ``provenance.json``, ``metrics.json``, ``predictions.npz``,
``checkpoints/``, the log and TensorBoard events. :mod:`polyhead.runs.contents` describes the JSON files and arrays.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError, one_line
from polyhead.storage.digests import check_intact, note_digest, write_with_digest
from polyhead.storage.documents import read_json
from polyhead.storage.output import create_atomically
from polyhead.storage.partials import remove_abandoned

_LARGEST_ARRAYS = 2_000_000_000  # bytes: 500 million predictions
_ASIDE = ".before-"  # and a number: the end of the name of a folder whose run made room for another
_LONGEST_REASON = 200  # characters
_OF_WANDB = "wandb/run-*/files"  # Weights & Biases, where it is asked online, has a config.yaml of its own there
_MARKS = ("config.yaml", "train.log")  # a run whose configuration was refused leaves nothing but its log


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.folder / "checkpoints"

    @property
    def done(self) -> bool:
        """Whether the run is done; a run writes its metrics last."""
        return (self.folder / "metrics.json").is_file()

    @property
    def claimed(self) -> bool:
        """Whether a run has the folder."""
        return (self.folder / "config.yaml").exists()

    def remove_abandoned(self) -> None:
        """Remove what a killed process was writing."""
        for folder in (self.folder, self.checkpoints):
            remove_abandoned(folder)

    def claim(self, config: str) -> None:
        """Take the folder for a new run by writing its resolved configuration, in YAML.

        Raises:
            UserError: another run has the folder already, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            create_atomically(self.folder / "config.yaml", config)
            note_digest(self.folder / "config.yaml")
        except FileExistsError as error:
            raise UserError(
                f"hydra.run.dir: {str(self.folder)!r} holds another run; choose a new folder, continue that one by "
                "resume=auto, or remove it"
            ) from error
        except OSError as error:
            raise UserError(f"hydra.run.dir: {str(self.folder)!r} cannot be written ({error.strerror})") from error

    def continue_as(self, config: str) -> None:
        """Write the resolved configuration under which the run in this folder continues, in YAML."""
        with write_with_digest(self.folder / "config.yaml") as partial:
            partial.write_text(config, encoding="utf-8")

    def clear(self) -> None:
        """Remove all that a run left, so that the folder can be claimed again; its log, which is open, is emptied."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".log":
                os.truncate(path, 0)
            else:
                path.unlink()

    def set_aside(self) -> "RunFolder":
        """Move the run, whole, to a folder beside its own, which stays without it: only the open log is there."""
        number = next(number for number in count(1) if not self._aside(number).exists())
        aside = self._aside(number)
        self.folder.rename(aside)
        self.folder.mkdir()
        for log in aside.glob("*.log"):
            open_log = self.folder / log.name
            log.rename(open_log)  # whoever has it open writes on in it
            shutil.copyfile(open_log, log)
            os.truncate(open_log, 0)
        return RunFolder(aside)

    def _aside(self, number: int) -> Path:
        return self.folder.with_name(f"{self.folder.name}{_ASIDE}{number}")

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file whole or not at all."""
        with write_with_digest(self.folder / name) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Raises:
            UserError: the file is missing, damaged, or does not hold a JSON object.
        """
        path = self.folder / name
        try:
            content = read_json(path)
        except (OSError, ValueError) as error:
            raise self._unreadable(path, error) from error
        if not isinstance(content, dict):
            raise self._unreadable(path)
        check_intact(path)
        return content

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays to a compressed ``.npz`` file, whole or not at all."""
        with write_with_digest(self.folder / name) as partial, partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read the arrays of an ``.npz`` file of the run; pickled content is refused.

        Raises:
            UserError: the file is missing or damaged.
        """
        path = self.folder / name
        check_intact(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                _check_size(arrays)
                return dict(arrays)
        except Exception as error:  # the library has a class for each kind of damage, and no common one
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: Path, error: Exception | None = None) -> UserError:
        reason = f" ({one_line(error, _LONGEST_REASON)})" if isinstance(error, ValueError) else ""
        return UserError(f"{str(path)!r} cannot be read{reason}; is {str(self.folder)!r} a finished run?")


def is_aside(folder: Path) -> bool:
    """Return whether the run in a folder made room for one of the same configuration and other data."""
    return _ASIDE in folder.name


def _check_size(arrays: Any) -> None:
    """Check how large the arrays of a compressed file are before they are unpacked.

    Raises:
        ValueError: larger than those of any run.
    """
    size = sum(entry.file_size for entry in arrays.zip.infolist())
    if size > _LARGEST_ARRAYS:
        raise ValueError(f"{size:,} bytes")


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """List the run folders at or below ``paths``, ``2_...`` before ``10_...``.

    Raises:
        UserError: a path is no folder, or none of them holds a run.
    """
    paths = list(paths)
    found: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{str(path)!r} is no folder; give folders of runs, or folders that hold some")
        marked = {file.parent for mark in _MARKS for file in path.rglob(mark)}
        found |= {folder for folder in marked if not (_holds_folds(folder) or folder.match(_OF_WANDB))}
    if not found:
        raise UserError(f"no runs in {', '.join(repr(str(path)) for path in paths)}; python train.py makes some")
    return sorted(found, key=_by_numbers)


def _holds_folds(folder: Path) -> bool:
    """Return whether a folder holds the runs of a cross-validation and is none itself."""
    return not (folder / "config.yaml").exists() and (folder / "fold=0").is_dir()


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    """Return a key that orders paths by the numbers in them."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
