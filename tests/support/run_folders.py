"""Run folders as training leaves them, made up: known predictions, so that every figure can be checked by hand."""

import json
from pathlib import Path

import numpy as np
import yaml
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from polyhead.runs.folder import RunFolder
from polyhead.runs.record import find_runs, read
from polyhead.runs.report.comparison import compare

LABELS = {"category": ["Quote", "Riddle", "News"], "sentiment": ["Positive", "Negative"]}


def metrics_of(label, predicted, labels):
    """Compute a task's metrics by scikit-learn."""
    classes = range(len(labels))
    known = label >= 0
    label, predicted = label[known], predicted[known]
    f1 = f1_score(label, predicted, labels=classes, average=None, zero_division=0)
    return {
        "accuracy": accuracy_score(label, predicted),
        "macro_f1": f1_score(label, predicted, average="macro", zero_division=0),
        "f1": dict(zip(labels, f1.tolist(), strict=True)),
        "confusion": confusion_matrix(label, predicted, labels=classes).tolist(),
        "loss": 0.5,
    }


def make_predictions(seed, errors, rows=200):
    """Return labels, equal for all seeds, and predictions of which a share is wrong."""
    truth, chance = np.random.default_rng(99), np.random.default_rng([seed, int(errors * 1000)])
    arrays = {}
    for task, labels in LABELS.items():
        label = truth.integers(len(labels), size=rows).astype(np.int16)
        label[::10] = -100 if task == "sentiment" else label[::10]
        wrong = chance.random(rows) < errors
        predicted = np.where(wrong, (np.maximum(label, 0) + 1) % len(labels), np.maximum(label, 0)).astype(np.int16)
        arrays |= {f"test/{task}/label": label, f"test/{task}/predicted": predicted}
    return arrays


def make_run(folder: Path, seed=0, errors=0.2, seconds=10.0, freeze="none", named_sets=False, predictions=True):
    """Write a run that is done."""
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
    run.write_json("provenance.json", {"choices": {"freeze": freeze}})
    arrays = make_predictions(seed, errors)
    test = {
        task: metrics_of(arrays[f"test/{task}/label"], arrays[f"test/{task}/predicted"], labels)
        for task, labels in LABELS.items()
    }
    if predictions:
        run.write_arrays("predictions.npz", arrays)
    metrics = {
        "validation": test,
        "test": {"test": test} if named_sets else test,
        "parameters": {"trainable": 1000, "total": 5000},
        "seconds": {"total": seconds, "training": seconds / 2},
        "sentences_per_second": 100.0,
        "peak_megabytes": {"process": 900.0},
        "features": {"reused": 1, "computed": 1} if freeze == "backbone" else {},
        "precision": "32-true",
        "device": "cpu",
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def make_sweep(folder: Path, seeds=(0, 1, 2), **errors: float):
    """Write runs of several settings: the share of wrong predictions by the name of what is frozen."""
    for freeze, share in errors.items():
        for seed in seeds:
            make_run(folder / f"{freeze}_{seed}", seed, share, seconds=1000 * (1 - share), freeze=freeze)
    return folder


def compared(folder, **settings):
    return compare([read(path) for path in find_runs([folder])], **settings)
