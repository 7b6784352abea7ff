"""The benchmark ``few_shot``: what a few sentences per class teach ours, and what else one would take."""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import ROOT, device_of, open_data, open_encoder, precision_of, unit_embeddings
from polyhead import Predictor
from polyhead.errors import UserError
from polyhead.inference.embedder import Embedder
from polyhead.models.model_files import ModelFiles
from polyhead.sources.base import LabelledSentence
from polyhead.tasks import Task

_TEST = 1000  # sentences, at most: of more, as many at random, the same for all
_PAIRS = 20  # SetFit's num_iterations: pairs of each kind and sentence

Predicted = dict[str, Sequence[str]]


class Trial(NamedTuple):
    """What is learned from, and what is then to be predicted."""

    tasks: Sequence[Task]
    sample: Sequence[LabelledSentence]
    test: Sequence[LabelledSentence]
    seed: int


Learn = Callable[[Settings, Trial], tuple[Predicted, float]]
"""Learns and predicts; returns the labels of the test sentences by task, and the seconds of learning."""


def few_shot(settings: Settings) -> Comparison:
    """Measure the accuracy on test after training on ``labels`` sentences per class of the first task."""
    learners: dict[str, Learn] = {
        "logistic regression": regression,
        "SetFit": set_fit,
        "polyhead": polyhead,
    }
    source, tasks = open_data(settings)
    if not tasks:
        raise UserError(f"data={settings.data}: few_shot needs a column category or sentiment with two classes or more")
    pool, test = [*source.sentences("train")], [*source.sentences("test")]
    chosen = np.random.default_rng(0).permutation(len(test))[:_TEST]
    test = [test[row] for row in chosen]
    baselines = {
        name: Baseline(partial(measure, learn, settings, tasks, pool, test)) for name, learn in learners.items()
    }
    return compare("few_shot", "labelled sentences", baselines, settings)


def measure(
    learn: Learn,
    settings: Settings,
    tasks: Sequence[Task],
    pool: Sequence[LabelledSentence],
    test: Sequence[LabelledSentence],
    seed: int,
) -> Measurement:
    """Train on the sample of a seed, and score the predictions."""
    sample = draw(pool, tasks[0].name, settings.labels, seed)
    predicted, seconds = learn(settings, Trial(tasks, sample, test, seed))
    figures = {}
    for task in tasks:
        known = [row for row, sentence in enumerate(test) if sentence.labels[task.name] is not None]
        right = [predicted[task.name][row] == test[row].labels[task.name] for row in known]
        figures[f"{task.name} accuracy"] = float(np.mean(right))
    return Measurement(len(sample), seconds, figures)


def draw(pool: Sequence[LabelledSentence], task: str, labels: int, seed: int) -> list[LabelledSentence]:
    """Draw sentences at random until each class of a task has ``labels``; other tasks' labels come as they fall."""
    counts: Counter[str] = Counter()
    sample = []
    for row in np.random.default_rng(seed).permutation(len(pool)):
        label = pool[row].labels[task]
        if label is not None and counts[label] < labels:
            counts[label] += 1
            sample.append(pool[row])
    return sample


def regression(settings: Settings, trial: Trial) -> tuple[Predicted, float]:
    """Learn by scikit-learn's logistic regression on the embeddings."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    encoder = open_encoder(settings)
    embedder = Embedder(encoder.load(), encoder.load_text_tokenizer(), precision_of(settings), device_of(settings))

    started = time.perf_counter()
    rows = unit_embeddings(embedder, trial.sample)
    models = {}
    for task in trial.tasks:
        texts, labels = _labelled(range(len(trial.sample)), trial.sample, task.name)
        models[task.name] = LogisticRegression(max_iter=1000).fit(rows[texts], labels)
    seconds = time.perf_counter() - started
    tested = unit_embeddings(embedder, trial.test)
    return {name: list(model.predict(tested)) for name, model in models.items()}, seconds


def set_fit(settings: Settings, trial: Trial) -> tuple[Predicted, float]:
    """Learn by SetFit's defaults, a training for each task."""
    try:
        import datasets
        import setfit  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(f"few_shot: {error.name} is not installed; run: pip install setfit==1.2.0 datasets") from error

    folder = ModelFiles(open_encoder(settings).location).name
    predicted: Predicted = {}
    seconds = 0.0
    for task in trial.tasks:
        texts, labels = _labelled([sentence.text for sentence in trial.sample], trial.sample, task.name)
        numbers = [task.labels.index(label) for label in labels]
        with tempfile.TemporaryDirectory() as out:
            started = time.perf_counter()
            model = setfit.SetFitModel.from_pretrained(folder, device=device_of(settings).type)
            arguments = setfit.TrainingArguments(
                out,
                num_iterations=_PAIRS,
                seed=trial.seed,
                show_progress_bar=False,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
            )
            rows = datasets.Dataset.from_dict({"text": texts, "label": numbers})
            setfit.Trainer(model=model, args=arguments, train_dataset=rows).train()
            seconds += time.perf_counter() - started
        found = model.predict([sentence.text for sentence in trial.test], show_progress_bar=False)
        predicted[task.name] = [task.labels[int(number)] for number in found]
    return predicted, seconds


def polyhead(settings: Settings, trial: Trial) -> tuple[Predicted, float]:
    """Learn by ``experiment=few_shot``, all tasks at once; its seconds are of the whole run, the test set included."""
    names = [task.name for task in trial.tasks]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, sentences in (("train", trial.sample), ("test", trial.test)):
            with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
                rows = [[sentence.text, *(sentence.labels[task] for task in names)] for sentence in sentences]
                csv.writer(file).writerows([["text", *names], *rows])
        command = [sys.executable, str(ROOT / "train.py"), "experiment=few_shot", "data=files", "logger=none"]
        command += ["data.files.train=train.csv", "data.files.test=test.csv", "data.holdout.validation=0"]
        command += [f"tasks=[{','.join(names)}]", f"seed={trial.seed}", f"accelerator={settings.device}"]
        command.append("hydra.run.dir=run")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"few_shot: {done.stderr.strip()}")
        seconds = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))["seconds"]["total"]
        predictions = Predictor.load(folder / "run").predict([sentence.text for sentence in trial.test])
    return {task: predictions.labels(task) for task in names}, seconds


def _labelled(values: Sequence[Any], sample: Sequence[LabelledSentence], task: str) -> tuple[list[Any], list[str]]:
    """Return the values of the sentences that have a label for a task, and those labels."""
    pairs = [(value, sentence.labels[task]) for value, sentence in zip(values, sample, strict=True)]
    kept = [(value, label) for value, label in pairs if label is not None]
    return [value for value, _ in kept], [label for _, label in kept]
