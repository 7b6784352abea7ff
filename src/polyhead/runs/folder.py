"""Runs: what each run leaves on disk, and its reading back. Knows nothing about training.

A run's folder holds ``config.yaml`` (resolved), ``provenance.json``, ``metrics.json``, ``predictions.npz``,
``checkpoints/``, the log and TensorBoard events.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError

_PACKAGES = (
    "polyhead",
    "torch",
    "lightning",
    "transformers",
    "tokenizers",
    "hydra-core",
    "torchmetrics",
    "numpy",
)


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.folder / "checkpoints"

    def claim(self, config: str) -> None:
        """Take the folder for a new run by writing its resolved configuration, in YAML.

        Raises:
            UserError: another run has the folder already, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "config.yaml").open("x", encoding="utf-8") as file:
                file.write(config)
        except FileExistsError as error:
            raise UserError(
                f"hydra.run.dir: {str(self.folder)!r} holds another run; choose a new folder, or remove that one"
            ) from error
        except OSError as error:
            raise UserError(f"hydra.run.dir: {str(self.folder)!r} cannot be written ({error.strerror})") from error

    def clear(self) -> None:
        """Remove all that a run left, so that the folder can be claimed again; its log, open already, is emptied."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".log":
                os.truncate(path, 0)
            else:
                path.unlink()

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file whole or not at all."""
        path = self.folder / name
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Raises:
            UserError: it is not there, or not JSON.
        """
        path = self.folder / name
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{str(path)!r} cannot be read; is {str(self.folder)!r} a finished run?") from error
        return content

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays to a compressed ``.npz`` file, whole or not at all."""
        path = self.folder / name
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        partial.replace(path)

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read the arrays of an ``.npz`` file of the run; pickled content is refused.

        Raises:
            UserError: it is not there, or damaged.
        """
        path = self.folder / name
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, BadZipFile) as error:
            raise UserError(f"{str(path)!r} cannot be read; is {str(self.folder)!r} a finished run?") from error


def provenance(seed: int, precision: str, device: str) -> dict[str, Any]:
    """Describe what a run was made with: command, versions, source, hardware."""
    import torch  # takes seconds, and reading runs needs none of it

    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "seed": seed,
        "precision": precision,
        "device": device,
        "python": platform.python_version(),
        "versions": {package: version(package) for package in _PACKAGES},
        "git": _git_state(Path(__file__).parent),
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether the work tree differs from it; None outside a checkout."""
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    return None if commit is None or status is None else {"commit": commit, "changed": bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
