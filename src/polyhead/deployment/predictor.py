"""Predictor: texts -> labels, probabilities and embeddings, from a bundle. Knows nothing about files or serving.

Shapes: N texts, H hidden units, C classes of a task.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from polyhead.deployment.backends import Backend, open_backend
from polyhead.deployment.bundle.folder import Bundle
from polyhead.errors import UserError
from polyhead.inference.text_runner import TextRunner
from polyhead.tasks import Task

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted for one text.

    Args:
        labels: the most probable class name of each task.
        probabilities: of every class, by task and class name.
        embedding: (H,).
    """

    labels: Mapping[str, str]
    probabilities: Mapping[str, Mapping[str, float]]
    embedding: Floats


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """What is predicted for texts, in their order: by column as arrays, by row as :class:`Prediction`.

    Args:
        tasks: what is predicted.
        probabilities: (N, C) of each task, by name.
        embeddings: (N, H).
    """

    tasks: tuple[Task, ...]
    probabilities: Mapping[str, Floats]
    embeddings: Floats

    def __len__(self) -> int:
        return len(self.embeddings)

    @overload
    def __getitem__(self, rows: int) -> Prediction: ...

    @overload
    def __getitem__(self, rows: slice) -> Self: ...

    def __getitem__(self, rows: int | slice) -> Prediction | Self:
        if isinstance(rows, slice):
            some = {name: shares[rows] for name, shares in self.probabilities.items()}
            return type(self)(self.tasks, some, self.embeddings[rows])
        probabilities = {
            task.name: dict(zip(task.labels, self.probabilities[task.name][rows].tolist(), strict=True))
            for task in self.tasks
        }
        labels = {name: max(scores, key=scores.__getitem__) for name, scores in probabilities.items()}
        return Prediction(labels, probabilities, self.embeddings[rows])

    def labels(self, task: str) -> list[str]:
        """Return the most probable class name of a task for each text.

        Raises:
            KeyError: no such task.
        """
        names = {some.name: some.labels for some in self.tasks}[task]
        return [names[index] for index in self.probabilities[task].argmax(axis=1)]


class Predictor:
    """Predicts all tasks of a bundle in one pass.

    Args:
        bundle: what to predict with.
        backend: what computes.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.tasks = bundle.tasks
        self.temperatures = [entry.temperature or 1.0 for entry in bundle.manifest.tasks]
        self.classes = [len(task.labels) for task in self.tasks]
        self.hidden_size = backend.width - sum(self.classes)
        if self.hidden_size < 1:
            raise UserError(f"{str(bundle.folder)!r}: its graph does not fit its tasks.json; export the bundle again")
        self.runner = TextRunner(
            bundle.load_tokenizer(), bundle.manifest.max_length, backend.width, backend, backend.streams
        )

    @classmethod
    def load(cls, folder: str | Path, backend: str = "torch", precision: str = "auto", device: str = "auto") -> Self:
        """Load a bundle that ``scripts/export.py`` wrote.

        Args:
            folder: of the bundle.
            backend: ``torch``, ``onnx``, ``onnx-int8`` or ``openvino``; all but the first need a graph in the bundle.
            precision: ``auto`` takes bf16 where the processor multiplies it natively; or ``32-true``, ``bf16-true``.
            device: where torch computes: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.

        Raises:
            UserError: no bundle, an altered one, or something asked for that is not here.
        """
        bundle = Bundle.open(folder)
        return cls(bundle, open_backend(bundle, backend, precision, device))

    @property
    def truncated(self) -> int:
        """How many texts were cut so far."""
        return self.runner.truncated

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Predict any number of texts, in the order given.

        Raises:
            UserError: one text or anything else in place of a list, or something in it that is no text.
        """
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise UserError(f"texts: {texts!r:.40} given; give a list of texts")
        chunks = list(self.runner.run(texts))
        return self._predictions(
            np.concatenate(chunks) if chunks else np.zeros((0, self.runner.width), dtype=np.float32)
        )

    def stream(self, texts: Iterable[str], chunk: int | None = None) -> Iterator[Predictions]:
        """Predict one chunk of texts after the other, in memory that does not grow with their number.

        Args:
            texts: any number of them.
            chunk: texts of a chunk; None takes as many as compute well together.
        """
        return map(self._predictions, self.runner.run(texts, chunk))

    def _predictions(self, values: Floats) -> Predictions:
        """Split what the backend gave (N, H + C of all tasks) into embeddings and probabilities."""
        embeddings, logits = np.split(values, [self.hidden_size], axis=1)
        by_task = np.split(logits, np.cumsum(self.classes)[:-1], axis=1)
        probabilities = {
            task.name: softmax(some / np.float32(temperature))
            for task, some, temperature in zip(self.tasks, by_task, self.temperatures, strict=True)
        }
        return Predictions(self.tasks, probabilities, embeddings)


def softmax(logits: Floats) -> Floats:
    """Turn logits (N, C) into probabilities (N, C)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
