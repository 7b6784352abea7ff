"""The benchmarks ``few_shot`` and ``defaults``: what a sample teaches ours, and what else one would take."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.set_fit import train_set_fit
from benchmarks.settings import Settings
from benchmarks.trainer import predict_plainly, train_with_defaults
from benchmarks.workload import ROOT, device_of, open_data, open_encoder, precision_of, unit_embeddings, write_rows
from polyhead import Predictor
from polyhead.app.terminal.override_writing import override
from polyhead.errors import UserError
from polyhead.inference.embedder import Embedder
from polyhead.models.model_files import ModelFiles
from polyhead.models.multitask import MultiTaskModel
from polyhead.sources.base import LabelledSentence
from polyhead.tasks import Task

_TEST = 1000  # sentences, at most: of more, as many at random, the same for all

Predicted = Mapping[str, Sequence[str]]


class Trial(NamedTuple):
    """What is learned from, and what is then to be predicted."""

    tasks: Sequence[Task]
    sample: Sequence[LabelledSentence]
    test: Sequence[LabelledSentence]
    seed: int


Learn = Callable[[Settings, Trial], tuple[Predicted, float]]
"""Learns and predicts; returns the labels of the test sentences by task, and the seconds of learning."""


Draw = Callable[[Sequence[LabelledSentence], int], Sequence[LabelledSentence]]
"""Draws the sample of a seed from the training sentences."""


def few_shot(settings: Settings) -> Comparison:
    """Measure the scores on test after training on ``labels`` sentences per class of the first task."""
    learners: dict[str, Learn] = {
        "logistic regression": regression,
        "SetFit": set_fit,
        "polyhead": partial(polyhead, ["experiment=few_shot", "data.holdout.validation=0"]),
    }
    return _compare("few_shot", learners, settings)


def defaults(settings: Settings) -> Comparison:
    """Measure the scores on test after training on ``sample`` sentences with nothing chosen."""
    learners: dict[str, Learn] = {
        "logistic regression": regression,
        "Trainer": trainer,
        "polyhead": partial(polyhead, []),
    }
    return _compare("defaults", learners, settings)


def _compare(name: str, learners: Mapping[str, Learn], settings: Settings) -> Comparison:
    source, tasks = open_data(settings)
    if not tasks:
        raise UserError(f"data={settings.data}: {name} needs a column category or sentiment with two classes or more")
    pool, test = [*source.sentences("train")], [*source.sentences("test")]
    chosen = np.random.default_rng(0).permutation(len(test))[:_TEST]
    test = [test[row] for row in chosen]
    draw_sample: Draw = partial(draw_rows, settings.sample)
    if name == "few_shot":
        draw_sample = partial(draw, tasks[0].name, settings.labels)
    baselines = {
        learner: Baseline(partial(measure, learn, settings, tasks, partial(draw_sample, pool), test))
        for learner, learn in learners.items()
    }
    return compare(name, "labelled sentences", baselines, settings)


def measure(
    learn: Learn,
    settings: Settings,
    tasks: Sequence[Task],
    draw_sample: Callable[[int], Sequence[LabelledSentence]],
    test: Sequence[LabelledSentence],
    seed: int,
) -> Measurement:
    """Train on the sample of a seed, and score the predictions."""
    from sklearn.metrics import f1_score  # type: ignore[import-untyped]

    sample = draw_sample(seed)
    predicted, seconds = learn(settings, Trial(tasks, sample, test, seed))
    figures = {}
    for task in tasks:
        rows, labels = _labelled(range(len(test)), test, task.name)
        found = [predicted[task.name][row] for row in rows]
        right = [answer == label for answer, label in zip(found, labels, strict=True)]
        figures[f"{task.name} accuracy"] = float(np.mean(right))
        figures[f"{task.name} macro-F1"] = float(f1_score(labels, found, average="macro"))
    return Measurement(len(sample), seconds, figures)


def draw_rows(count: int, pool: Sequence[LabelledSentence], seed: int) -> list[LabelledSentence]:
    """Draw so many sentences at random, or all where there are fewer."""
    return [pool[row] for row in np.random.default_rng(seed).permutation(len(pool))[:count]]


def draw(task: str, labels: int, pool: Sequence[LabelledSentence], seed: int) -> list[LabelledSentence]:
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
        import datasets  # noqa: F401  # looked for here, before anything is trained
        import setfit  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(f"few_shot: {error.name} is not installed; run: pip install setfit==1.2.0 datasets") from error

    folder = ModelFiles(open_encoder(settings).location).name
    predicted: dict[str, Sequence[str]] = {}
    seconds = 0.0
    for task in trial.tasks:
        texts, labels = _labelled([sentence.text for sentence in trial.sample], trial.sample, task.name)
        numbers = [task.labels.index(label) for label in labels]
        with tempfile.TemporaryDirectory() as out:
            started = time.perf_counter()
            model = setfit.SetFitModel.from_pretrained(folder, device=device_of(settings).type)
            train_set_fit(model, texts, numbers, trial.seed, out)
            seconds += time.perf_counter() - started
        found = model.predict([sentence.text for sentence in trial.test], show_progress_bar=False)
        predicted[task.name] = [task.labels[int(number)] for number in found]
    return predicted, seconds


def trainer(settings: Settings, trial: Trial) -> tuple[Predicted, float]:
    """Learn by Hugging Face's Trainer with its defaults: three epochs, batches of 8, 5e-5 for everything."""
    torch.manual_seed(trial.seed)
    encoder = open_encoder(settings)
    model = MultiTaskModel(encoder.load(), trial.tasks, dropout=0.1)
    tokenizer = encoder.load_text_tokenizer()
    seconds = train_with_defaults(model, trial.tasks, tokenizer, trial.sample, settings, trial.seed)
    return predict_plainly(model, trial.tasks, tokenizer, trial.test), seconds


def polyhead(choices: Sequence[str], settings: Settings, trial: Trial) -> tuple[Predicted, float]:
    """Learn by ``train.py``, all tasks at once; its seconds are of the whole run, the test set included."""
    names = [task.name for task in trial.tasks]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, sentences in (("train", trial.sample), ("test", trial.test)):
            write_rows(folder / f"{split}.csv", sentences, names)
        command = [sys.executable, str(ROOT / "train.py"), *choices, "data=files", "logger=none"]
        command += ["data.files.train=train.csv", "data.files.test=test.csv"]
        classes = [{task.name: list(task.labels)} for task in trial.tasks]  # a small sample may lack one
        command += [override("tasks", classes), f"seed={trial.seed}", f"accelerator={settings.device}"]
        command.append("hydra.run.dir=run")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"data={settings.data}: {done.stderr.strip()}")
        seconds = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))["seconds"]["total"]
        predictions = Predictor.load(folder / "run").predict([sentence.text for sentence in trial.test])
    return {task: predictions.labels(task) for task in names}, seconds


def _labelled(values: Sequence[Any], sample: Sequence[LabelledSentence], task: str) -> tuple[list[Any], list[str]]:
    """Return the values of the sentences that have a label for a task, and those labels."""
    pairs = [(value, sentence.labels[task]) for value, sentence in zip(values, sample, strict=True)]
    kept = [(value, label) for value, label in pairs if label is not None]
    return [value for value, _ in kept], [label for _, label in kept]
