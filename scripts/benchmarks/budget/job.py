"""What a peer of the benchmark ``budget`` is given and gives back, and the regression that several end with."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """What a peer is given.

    Args:
        train: file of the sentences with labels.
        test: file of those to predict.
        task: column of the labels.
        encoder: folder of sentence-transformers.
        static: folder of model2vec; where nothing is there, ``distil`` writes it.
        seed: of training.
        epochs: of training.
        batch_size: sentences.
        gpu: whether there is one to use.
        bf16: whether its products are to be in bf16.
    """

    train: str
    test: str
    task: str
    encoder: str
    static: str
    seed: int = 0
    epochs: int = 1
    batch_size: int = 32
    gpu: bool = False
    bf16: bool = False

    @property
    def device(self) -> str:
        """Name of the device, as torch calls it."""
        return "cuda" if self.gpu else "cpu"

    def read(self, path: str) -> tuple[list[str], list[str]]:
        """Return the texts and labels of a file."""
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row[self.task]]
        return [row["text"] for row in rows], [row[self.task] for row in rows]


Answer = tuple[Sequence[str], float]
"""The labels of the test sentences, and the seconds of learning."""


def regression_on(encoder: Any, job: Job, started: float) -> Answer:
    """Fit a regression on embeddings, and predict."""
    texts, labels = job.read(job.train)
    model = regression(encoder.encode(texts), labels, inverse_penalty=1.0)
    seconds = time.perf_counter() - started
    return list(model.predict(encoder.encode(job.read(job.test)[0]))), seconds


def regression(features: Any, labels: Sequence[str], inverse_penalty: float) -> Any:
    """Fit scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    return LogisticRegression(C=inverse_penalty, max_iter=1000).fit(features, labels)
