"""Environment: command, versions, source and hardware of this process. Knows nothing about runs."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

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


def describe_environment(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Return ``command``, ``python``, ``versions``, ``git`` and ``hardware`` of this process, in plain types.

    :class:`polyhead.runs.contents.Provenance` says what each of them holds.

    Args:
        command: the command line; None for that of this process.
    """
    import torch  # takes seconds, and reading runs needs none of it

    return {
        "command": list(command or [Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in _PACKAGES},
        "git": git_state(Path(__file__).parent),
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit, and whether the work tree differs from it; None outside a checkout."""
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if commit is None or status is None:
        return None
    return {"commit": commit, "changed": bool(status)}


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
