"""Reading: run folders -> records. Knows nothing about what is compared.

Runs that failed, or that are not finished, are records, too; their ``metrics`` are empty.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder

OVERALL = "mean"
"""Stands among the tasks for the mean over them."""

Scores = dict[str, dict[str, float]]
"""``{test set: {task: score}}``."""

DONE, FAILED, UNFINISHED, UNTESTED = "done", "failed", "unfinished", "untested"
_MARKS = ("config.yaml", "train.log")  # a run whose configuration was refused leaves its log alone
_LOG_TAIL = 20_000  # bytes
_ERROR = re.compile(r"\]\[ERROR\] (?P<message>.*)")


@dataclass(frozen=True)
class RunRecord:
    """What one run left.

    Args:
        folder: where it lies.
        status: ``done``, ``failed``, ``untested`` (done, without the test set) or ``unfinished``; a run that is still
            going is unfinished.
        message: for a failed run, what its log says last.
        config: resolved, flat: ``freeze.count`` -> 4.
        choices: which option of each group of the configuration it took; empty where the run did not note them.
        metrics: of a run that is done, tested or not.
    """

    folder: Path
    status: str
    message: str
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    metrics: Mapping[str, Any]

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """Metrics as ``{test set: {task: {metric: value}}}``; a run with a single test set may leave out its name."""
        tests = self.metrics.get("test", {})
        return {"test": tests} if any("confusion" in value for value in tests.values()) else dict(tests)

    def scores(self, metric: str) -> Scores:
        """Return a metric of each test set and task, and its mean over the tasks."""
        return {test: _with_mean(tasks, metric) for test, tasks in self.tests.items()}

    def validation_score(self, metric: str) -> float:
        """Return the mean of a metric over the tasks on validation."""
        return _with_mean(self.metrics["validation"], metric)[OVERALL]

    def costs(self) -> dict[str, Any]:
        """Return what the run cost: seconds, training sentences a second, parameters, megabytes; None if not known."""
        peaks = self.metrics.get("peak_megabytes", {})
        return {
            "seconds": self.metrics["seconds"]["total"],
            "sentences_per_second": self.metrics["sentences_per_second"],
            "trainable_parameters": self.metrics["parameters"]["trainable"],
            "peak_megabytes": peaks.get("process"),
            "gpu_megabytes": peaks.get("gpu"),
        }

    @cached_property
    def predictions(self) -> dict[str, NDArray[Any]]:
        """Labels and predicted classes by row, as the callback ``Predictions`` notes them; maybe none."""
        try:
            return RunFolder(self.folder).read_arrays("predictions.npz")
        except UserError:
            return {}


def _with_mean(tasks: Mapping[str, Any], metric: str) -> dict[str, float]:
    scores = {task: float(values[metric]) for task, values in tasks.items()}
    return {**scores, OVERALL: sum(scores.values()) / len(scores)}


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """List the run folders at or below ``paths``, ``2_...`` before ``10_...``.

    Raises:
        UserError: a path is no folder, or none of them holds a run.
    """
    found: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{str(path)!r} is no folder; give folders of runs, or folders that hold some")
        found |= {file.parent for mark in _MARKS for file in path.rglob(mark)}
    if not found:
        raise UserError(f"no runs in {', '.join(repr(str(path)) for path in paths)}; python train.py makes some")
    return sorted(found, key=_natural)


def read_all(paths: Iterable[Path]) -> list[RunRecord]:
    """Read the runs at or below ``paths``, but for the folders of jobs that found their run done elsewhere.

    Raises:
        UserError: as :func:`find_runs`.
    """
    records = [read(folder) for folder in find_runs(paths)]
    return [record for record in records if record.config or record.status != UNFINISHED]


def read(folder: Path) -> RunRecord:
    """Read what a run left, however far it got."""
    run, choices, metrics = RunFolder(folder), {}, {}
    status, message = status_of(folder)
    try:
        if (folder / "provenance.json").exists():
            choices = run.read_json("provenance.json").get("choices", {})
        if status == DONE:
            metrics = run.read_json("metrics.json")
            status = DONE if metrics["test"] else UNTESTED
    except UserError as error:
        status, message, metrics = FAILED, str(error), {}
    return RunRecord(folder, status, message, _config(folder), choices, metrics)


def status_of(folder: Path) -> tuple[str, str]:
    """Tell how a run ended, if it did, and for a failed one what its log says last."""
    if (folder / "metrics.json").exists():
        return DONE, ""
    message = _failure(folder)
    return (FAILED, message) if message else (UNFINISHED, "")


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys; an empty mapping stays a leaf."""
    leaves: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping) and value:
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves


def _config(folder: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return flat(content) if isinstance(content, dict) else {}


def _failure(folder: Path) -> str:
    """Return the last error of a run's log, with the exception's own line where there is a traceback; or nothing."""
    try:
        with (folder / "train.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LOG_TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [match["message"] for line in lines if (match := _ERROR.search(line))]
    if not errors:
        return ""
    traced = errors[-1] == "this run failed"
    return lines[-1].strip() if traced else errors[-1].removeprefix("this run failed: ")


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]
