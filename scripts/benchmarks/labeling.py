"""The benchmark ``label``: how fast a classifier learns from the sentences that different rules have labelled.

Shapes: N sentences of the pool, W units of an embedding, C classes.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import device_of, open_data, open_encoder, precision_of, unit_embeddings
from polyhead.inference.embedder import Embedder
from polyhead.inference.selection import pseudo_residuals, select, uncertainty
from polyhead.sources.base import LabelledSentence

START, ROUNDS, STEP = 20, 10, 20  # labels at first, and how often how many more
SHOWN = (60, 120, 220)  # labels after which the accuracy is a figure
_POOL, _TEST = 4000, 2000  # sentences, at most: of more, as many at random, the same for all rules and repeats
_INVERSE_PENALTY = 10.0  # of the regression, on embeddings of length 1

Choose = Callable[[NDArray[np.float32], NDArray[np.float32], np.random.Generator], NDArray[np.intp]]
"""Embeddings (N, W), probabilities (N, C) and a generator -> rows of the ``STEP`` sentences to label next."""


class LabelledEmbeddings(NamedTuple):
    """Embeddings of length 1 (N, W) and their labels (N,)."""

    embeddings: NDArray[np.float32]
    labels: NDArray[Any]


def label(settings: Settings) -> Comparison:
    """Measure what labels are worth that are chosen at random, where the model is unsure, and by ours."""
    tasks = _embed_tasks(settings)
    rules: dict[str, Choose] = {"random": at_random, "least certain": least_certain, "polyhead": by_polyhead}
    baselines = {name: Baseline(partial(learn_tasks, tasks, choose)) for name, choose in rules.items()}
    return compare("label", "sentences", baselines, settings)


def _embed_tasks(settings: Settings) -> dict[str, tuple[LabelledEmbeddings, LabelledEmbeddings]]:
    """Return the pool and the test sentences of each task."""
    source, tasks = open_data(settings)
    encoder = open_encoder(settings)
    embedder = Embedder(encoder.load(), encoder.load_text_tokenizer(), precision_of(settings), device_of(settings))
    splits = []
    for split, most in (("train", _POOL), ("test", _TEST)):
        sentences = [sentence for sentence in source.sentences(split) if sentence.text.strip()]
        order = np.random.default_rng(0).permutation(len(sentences))[:most]
        some: list[LabelledSentence] = [sentences[index] for index in order]
        embeddings = unit_embeddings(embedder, some)
        splits.append((some, embeddings))
    return {task.name: (_of_task(*splits[0], task.name), _of_task(*splits[1], task.name)) for task in tasks}


def _of_task(sentences: list[LabelledSentence], embeddings: NDArray[np.float32], task: str) -> LabelledEmbeddings:
    labels = [sentence.labels.get(task) for sentence in sentences]
    rows = [row for row, name in enumerate(labels) if name is not None]
    return LabelledEmbeddings(embeddings[rows], np.array([labels[row] for row in rows]))


def learn_tasks(
    tasks: dict[str, tuple[LabelledEmbeddings, LabelledEmbeddings]], choose: Choose, seed: int
) -> Measurement:
    """Learn each task, one by one; ``area`` is the mean over the rounds, of accuracy and of macro-F1."""
    figures: dict[str, float] = {}
    started = time.perf_counter()
    for name, (pool, test) in tasks.items():
        scores = learn(pool, test, choose, seed)
        for labels in SHOWN:
            figures[f"{name} {labels}"] = scores[(labels - START) // STEP][0]
        accuracy, macro_f1 = np.mean(scores, axis=0)
        figures |= {f"{name} area": float(accuracy), f"{name} area F1": float(macro_f1)}
    return Measurement(len(tasks) * ROUNDS * STEP, time.perf_counter() - started, figures)


def learn(pool: LabelledEmbeddings, test: LabelledEmbeddings, choose: Choose, seed: int) -> list[tuple[float, float]]:
    """Label ``START`` sentences at random and ``STEP`` more in each round.

    Returns:
        Accuracy and macro-F1 on test with ``START`` labels and after each round.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.metrics import f1_score  # type: ignore[import-untyped]

    random = np.random.default_rng(seed)
    labelled = random.permutation(len(pool.labels))[:START]
    scores = []
    for number in range(ROUNDS + 1):
        regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000)
        regression.fit(pool.embeddings[labelled], pool.labels[labelled])
        predicted = regression.predict(test.embeddings)
        macro_f1 = f1_score(test.labels, predicted, average="macro", zero_division=0)
        scores.append((float((predicted == test.labels).mean()), float(macro_f1)))
        if number < ROUNDS:
            rest = np.setdiff1d(np.arange(len(pool.labels)), labelled)
            embeddings = pool.embeddings[rest]
            shares = regression.predict_proba(embeddings).astype(np.float32)
            labelled = np.concatenate([labelled, rest[choose(embeddings, shares, random)]])
    return scores


def at_random(embeddings: NDArray[np.float32], _: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.intp]:
    """Choose at random."""
    return random.permutation(len(embeddings))[:STEP]


def least_certain(
    _: NDArray[np.float32], probabilities: NDArray[np.float32], __: np.random.Generator
) -> NDArray[np.intp]:
    """Choose the sentences with the smallest lead of the first class, however alike."""
    return np.argsort(-uncertainty([probabilities]), kind="stable")[:STEP]


def by_polyhead(
    embeddings: NDArray[np.float32], probabilities: NDArray[np.float32], _: np.random.Generator
) -> NDArray[np.intp]:
    """Choose as ``scripts/label.py`` does."""
    return select(embeddings, pseudo_residuals([probabilities]), STEP)
