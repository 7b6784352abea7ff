"""Record: the files that one run left, however far it got. Knows nothing about comparisons.

Runs that failed, or that are not finished, have records, too.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.runs.contents import Provenance, RunMetrics, SplitResults
from polyhead.runs.folder import RunFolder, find_runs
from polyhead.runs.metrics_check import check_metrics
from polyhead.runs.old_names import upgrade
from polyhead.runs.predictions import Predictions
from polyhead.runs.status import DONE, FAILED, UNFINISHED, UNTESTED, status_of
from polyhead.storage.digests import warn_if_changed
from polyhead.storage.documents import read_yaml
from polyhead.tasks import Kind, headline, kind_of

log = logging.getLogger(__name__)

OVERALL = "mean"
"""Stands among the tasks for the mean over them."""

SCORE = "score"
"""Stands among the metrics for the headline score of each task."""

Scores = dict[str, dict[str, float]]
"""``{test set: {task: score}}``."""


@dataclass(frozen=True)
class RunRecord:
    """One run, read back.

    Args:
        folder: of the run.
        status: ``done``, ``failed``, ``untested`` (done, but for the test) or ``unfinished``; a run that is still going
            is unfinished.
        message: of a failed run, the last error in its log.
        config: resolved and flat, under the names of today: ``freeze.count`` -> 4; empty where there is none, or a
            damaged one.
        choices: the option taken in each group of the configuration; empty where the run did not note them.
        found_metrics: of a run that is done, tested or not; None of others.
        overrides: the arguments of ``train.py``, in the order in which they were given.
        data: a digest of the sentences and labels by split; empty where the run did not note them.
    """

    folder: Path
    status: str
    message: str
    config: Mapping[str, Any]
    choices: Mapping[str, Any]
    found_metrics: RunMetrics | None
    overrides: Sequence[str] = ()
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> RunMetrics:
        """What a run that is done measured.

        Raises:
            UserError: the run is not done.
        """
        if self.found_metrics is None:
            reason = f"{self.status}: {self.message}" if self.message else self.status
            raise UserError(f"the run in {str(self.folder)!r} has no metrics; it is {reason}")
        return self.found_metrics

    @cached_property
    def predictions(self) -> Predictions:
        """What the run predicted; nothing where it did not note that, or where the file is damaged."""
        try:
            return Predictions.read(RunFolder(self.folder))
        except UserError as error:
            if (self.folder / Predictions.file_name).exists():
                log.warning("%s; left out", error)
            return Predictions({}, {})

    @property
    def unread(self) -> list[str]:
        """Files of a run that is done that are not there, or cannot be read; the run compares without them."""
        files = {"config.yaml": self.config, Predictions.file_name: self.predictions.labels}
        return [name for name, content in files.items() if not content]

    def scores(self, metric: str) -> Scores:
        """Return a metric by test set and task, and its mean over the tasks; ``score`` is the headline of each."""
        return {name: with_mean(results, metric) for name, results in self.metrics.test_sets.items()}

    def validation_score(self, metric: str) -> float:
        """Return the mean of a metric over the tasks on validation."""
        return with_mean(self.metrics.validation, metric)[OVERALL]

    @property
    def kinds(self) -> dict[str, type[Kind]]:
        """The kind of each task that was measured."""
        test_sets: Sequence[Mapping[str, Mapping[str, Any]]] = [
            self.metrics.validation,
            *self.metrics.test_sets.values(),
        ]
        return {task: kind_of(values) for results in test_sets for task, values in results.items()}

    def costs(self) -> dict[str, float]:
        """Return the costs of the run by name.

        Returns:
            ``seconds``, ``trainable_parameters`` and the peak of memory in MB, ``peak_megabytes``; where they were
            measured, ``sentences_per_second`` in training and ``gpu_megabytes``, too.
        """
        metrics = self.metrics
        costs = {
            "seconds": metrics.seconds["total"],
            "sentences_per_second": metrics.sentences_per_second,
            "trainable_parameters": metrics.parameters["trainable"],
            "peak_megabytes": metrics.peak_megabytes.get("process"),
            "gpu_megabytes": metrics.peak_megabytes.get("gpu"),
        }
        return {name: value for name, value in costs.items() if value is not None}


def with_mean(results: SplitResults, metric: str) -> dict[str, float]:
    """Return a metric by task, and under :data:`OVERALL` its mean over the tasks.

    Raises:
        UserError: a task has the name of the mean, or not the metric.
    """
    if OVERALL in results:
        raise UserError(f"tasks: a comparison calls the mean over the tasks {OVERALL!r}; give the task another name")
    values: Mapping[str, Mapping[str, Any]] = results
    lacking = [f"{task} is {kind_of(value).name}" for task, value in values.items() if metric not in (*value, SCORE)]
    if lacking:
        raise UserError(f"metric: {metric!r} given, and {', '.join(lacking)}; take {SCORE}: the headline of each kind")
    scores = {task: headline(value) if metric == SCORE else float(value[metric]) for task, value in values.items()}
    return {**scores, OVERALL: sum(scores.values()) / len(scores)}


def read_all(paths: Iterable[Path]) -> list[RunRecord]:
    """Read the runs at or below ``paths``, but for the folders of jobs that found their run done elsewhere.

    Raises:
        UserError: a path is no folder, or none of them holds a run.
    """
    records = [read(folder) for folder in find_runs(paths)]
    return [record for record in records if record.config or record.status != UNFINISHED]


def read(folder: Path) -> RunRecord:
    """Read the files of a run, however far it got; a run whose files cannot be read counts as failed."""
    run = RunFolder(folder)
    status, message = status_of(folder)
    made: Provenance | None = None
    metrics: RunMetrics | None = None
    try:
        if (folder / Provenance.file_name).exists():
            made = Provenance.read(run)
        if status == DONE:
            metrics = RunMetrics.read(run)
            check_metrics(metrics)
            if not metrics.validation:
                raise UserError("nothing was measured on validation")
            status = DONE if metrics.test_sets else UNTESTED
    except UserError as error:
        status, message, metrics = FAILED, str(error), None
    config = _config(folder)
    if made is None:
        return RunRecord(folder, status, message, config, {}, metrics)
    return RunRecord(folder, status, message, config, made.choices, metrics, made.overrides, made.data)


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
    warn_if_changed(folder / "config.yaml")
    try:
        content = read_yaml(folder / "config.yaml")
        return flat(upgrade(content)) if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}
