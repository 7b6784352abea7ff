"""Run folders as training leaves them, made up: known predictions, so that every figure can be checked by hand."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder, find_runs
from polyhead.runs.predictions import Predictions
from polyhead.runs.record import read
from polyhead.runs.report.comparison import compare
from polyhead.tasks import MISSING

LABELS = {"category": ["Quote", "Riddle", "News"], "sentiment": ["Positive", "Negative"]}


def results_of(label, predicted, labels):
    """Compute a task's results by scikit-learn."""
    classes = range(len(labels))
    known = label >= 0
    label, predicted = label[known], predicted[known]
    f1 = f1_score(label, predicted, labels=classes, average=None, zero_division=0)
    averaged = {"average": "macro", "zero_division": 0}
    return {
        "accuracy": accuracy_score(label, predicted),
        "macro_f1": f1_score(label, predicted, **averaged),
        "macro_precision": precision_score(label, predicted, **averaged),
        "macro_recall": recall_score(label, predicted, **averaged),
        "f1": dict(zip(labels, f1.tolist(), strict=True)),
        "confusion": confusion_matrix(label, predicted, labels=classes).tolist(),
        "loss": 0.5,
        "ece": 0.1,
        "ece_scaled": 0.05,
        "temperature": 1.5,
        "reliability": {},
    }


def make_results(**changes):
    """Make the results of a task, all of their fields."""
    values = {
        "accuracy": 0.5,
        "macro_f1": 0.25,
        "macro_precision": 0.25,
        "macro_recall": 0.25,
        "f1": {"a": 0.5, "b": 0.0},
        "confusion": [[1, 0], [1, 0]],
        "loss": 0.5,
        "ece": 0.125,
        "ece_scaled": 0.0625,
        "temperature": 1.5,
        "reliability": {},
    }
    return values | changes


def results_of_tasks(labels, predicted):
    """Compute the results of the tasks that have labels."""
    known = [task for task in LABELS if (labels[task] >= 0).any()]
    return {task: results_of(labels[task], predicted[task], LABELS[task]) for task in known}


def make_predictions(seed, errors, rows=200, tasks=tuple(LABELS), truth_seed=99):
    """Return labels by task, equal for all seeds, and predictions of which a share is wrong.

    Every tenth sentence has no sentiment; a task that is not among ``tasks`` has no labels at all.
    """
    truth, chance = np.random.default_rng(truth_seed), np.random.default_rng([seed, int(errors * 1000)])
    labels, predicted = {}, {}
    for task, names in LABELS.items():
        label = truth.integers(len(names), size=rows).astype(np.int16)
        wrong = chance.random(rows) < errors
        predicted[task] = np.where(wrong, (label + 1) % len(names), label).astype(np.int16)
        if task == "sentiment":
            label[::10] = MISSING
        labels[task] = label if task in tasks else np.full_like(label, MISSING)
    return labels, predicted


def make_metrics(results, test_sets=None, **changes):
    """Make the metrics of a run with the same results on validation and test."""
    values = {
        "monitor": {"metric": "validation/macro_f1", "mode": "max", "value": 0.5},
        "validation": results,
        "test": results,
        "extra_test_sets": test_sets or {},
        "epochs": 3,
        "best_epoch": 1,
        "parameters": {"trainable": 1000, "total": 5000},
        "seconds": {"total": 10.0, "training": 5.0},
        "sentences_per_second": 100.0,
        "peak_megabytes": {"process": 900.0},
        "conflict": {},
        "activation_cache": {},
        "precision": "32-true",
        "device": "cpu",
    }
    return RunMetrics(**values | changes)


def make_provenance(**changes):
    values = {
        "choices": {},
        "overrides": [],
        "command": ["train.py"],
        "seed": 0,
        "precision": "32-true",
        "device": "cpu",
        "python": "3.11.7",
        "versions": {"torch": "2.13.0"},
        "git": None,
        "hardware": {"processor": "x", "cores": 2, "threads": 1, "gpus": []},
    }
    return Provenance(**values | changes)


def make_run(
    folder: Path,
    seed=0,
    errors=0.2,
    seconds=10.0,
    freeze="none",
    predictions=True,
    extra: Mapping[str, tuple[str, ...]] | None = None,
    extra_errors: float | None = None,
    health: Mapping[str, float] | None = None,
):
    """Write a run that is done.

    ``extra`` has the tasks with labels of each extra test set, whose sentences are others than those of the test;
    ``extra_errors`` is the share of wrong predictions there, where it is another.
    """
    run = RunFolder(folder)
    targets = {"none": {"_target_": "Freezing", "frozen": []}, "backbone": {"_target_": "Freezing", "frozen": ["x"]}}
    config = {
        "seed": seed,
        "loader": {"seed": seed, "batch_size": 8},
        "freeze": targets.get(freeze, {"_target_": "Freezing.lower_layers", "count": 4}),
        "run_dir": str(folder),
        "logger": {"save_dir": str(folder)},
    }
    run.claim(yaml.safe_dump(config))
    make_provenance(choices={"freeze": freeze}, seed=seed).write(run)
    made = {"test": make_predictions(seed, errors)}
    if extra_errors is None:
        extra_errors = errors
    for number, (name, tasks) in enumerate((extra or {}).items()):
        made[name] = make_predictions(seed, extra_errors, rows=120, tasks=tasks, truth_seed=number)
    if predictions:
        labels = {name: labels for name, (labels, _) in made.items()}
        Predictions(labels, {name: predicted for name, (_, predicted) in made.items()}).write(run)
    results = {name: results_of_tasks(labels, predicted) for name, (labels, predicted) in made.items()}
    test = results.pop("test")
    make_metrics(
        test,
        results,
        seconds={"total": seconds, "training": seconds / 2},
        activation_cache={"reused": 1, "computed": 1} if freeze == "backbone" else {},
        health=health or {},
    ).write(run)
    return folder


def make_sweep(folder: Path, seeds=(0, 1, 2), extra=None, **errors: float):
    """Write runs of several conditions: the share of wrong predictions by the name of what is frozen."""
    for freeze, share in errors.items():
        for seed in seeds:
            make_run(folder / f"{freeze}_{seed}", seed, share, 1000 * (1 - share), freeze, extra=extra)
    return folder


def compared(folder, **settings):
    return compare([read(path) for path in find_runs([folder])], **settings)
