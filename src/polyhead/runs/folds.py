"""Folds: the runs of a cross-validation read together: out-of-fold predictions, mean and interval of each metric."""

import csv
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from polyhead.errors import require_extra
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.storage.output import write_atomically
from polyhead.tasks import kind_of

OUT_OF_FOLD = "oof.csv"
_LEVEL = 0.95  # of the interval
_CALIBRATED = ("ece", "ece_scaled")


def check_extras() -> None:
    """Check, before anything is trained, that the library for intervals is installed.

    Raises:
        UserError: it is not.
    """
    with require_extra("report", "data.folds"):
        import scipy.stats  # type: ignore[import-untyped]  # noqa: F401


def join_folds(folder: Path, runs: Sequence[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """Write ``oof.csv`` and ``metrics.json`` of all folds, and return the metrics by task.

    Args:
        folder: where they are written.
        runs: folders of the folds' runs, each with its own ``oof.csv``.

    Raises:
        UserError: a run is not finished.
    """
    _join_predictions(folder / OUT_OF_FOLD, [run / OUT_OF_FOLD for run in runs])
    results = [RunMetrics.read(RunFolder(run)).test for run in runs]
    measured: dict[str, dict[str, dict[str, Any]]] = {}
    for task in dict.fromkeys(task for result in results for task in result):
        found: list[Mapping[str, Any]] = [result[task] for result in results if task in result]
        kind = kind_of(found[0])
        names = (*kind.measures, "loss", *(name for name in _CALIBRATED if name in found[0]))
        measured[task] = {name: interval([float(values[name]) for values in found]) for name in names}
    RunFolder(folder).write_json("metrics.json", {"folds": len(runs), "level": _LEVEL, "test": measured})
    return measured


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, interval and values of a metric over folds.

    The folds share most of their training sentences, so their spread says too little: its variance is multiplied by
    1/k + 1/(k - 1) instead of 1/k (Nadeau and Bengio 2003, "Inference for the Generalization Error"), with k folds.

    Args:
        values: of each fold.
    """
    mean, count = fmean(values), len(values)
    if count < 2:
        return {"mean": mean, "low": None, "high": None, "values": list(values)}
    from scipy.stats import t

    half = float(t.ppf((1 + _LEVEL) / 2, count - 1)) * stdev(values) * sqrt(1 / count + 1 / (count - 1))
    return {"mean": mean, "low": mean - half, "high": mean + half, "values": list(values)}


def _join_predictions(path: Path, parts: Sequence[Path]) -> None:
    """Join tables of out-of-fold predictions, in the order of the sentences."""
    rows: list[dict[str, str]] = []
    for part in parts:
        with part.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    rows.sort(key=lambda row: int(row["row"]))
    with write_atomically(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
