"""Predictor: texts -> labels, probabilities and embeddings, from a bundle. Knows nothing about files or serving.

Shapes: N texts, H hidden units, C classes of a task.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from polyhead.deployment.backends import Backend, open_backend
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.scores import read_scores
from polyhead.deployment.selection import Selection, Wanted
from polyhead.deployment.window_outputs import WindowOutputs
from polyhead.errors import ParameterError, UserError, check_parameters, require_extra
from polyhead.inference.text_runner import TextRunner
from polyhead.tasks import Task

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one text.

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
    """The predictions for texts, in their order: as arrays by task, and as a sequence of :class:`Prediction`.

    >>> task = Task("sentiment", ("Positive", "Negative"))
    >>> shares = np.array([[0.75, 0.25], [0.5, 0.5]], dtype=np.float32)
    >>> predictions = Predictions((task,), {"sentiment": shares}, embeddings=np.zeros((2, 3), dtype=np.float32))
    >>> predictions.labels("sentiment")
    ['Positive', 'Positive']
    >>> predictions[0].probabilities["sentiment"]
    {'Positive': 0.75, 'Negative': 0.25}

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
        some = {name: shares[rows] for name, shares in self.probabilities.items()}
        if isinstance(rows, slice):
            return type(self)(self.tasks, some, self.embeddings[rows])
        labels: dict[str, str] = {}
        probabilities: dict[str, dict[str, float]] = {}
        for task in self.tasks:
            shares = some[task.name]  # (C,)
            labels[task.name] = task.labels[int(shares.argmax())]
            probabilities[task.name] = dict(zip(task.labels, shares.tolist(), strict=True))
        return Prediction(labels, probabilities, self.embeddings[rows])

    def labels(self, task: str) -> list[str]:
        """Return the most probable class name of a task for each text; of equally probable ones, the first.

        Raises:
            KeyError: no such task.
        """
        names = {some.name: some.labels for some in self.tasks}[task]
        return [names[index] for index in self.probabilities[task].argmax(axis=1)]

    def to_frame(self) -> Any:
        """Return a frame of pandas: for each task a column of labels and one of how probable they are.

        Raises:
            UserError: pandas is not installed.
        """
        with require_extra("data", "to_frame"):
            import pandas  # type: ignore[import-untyped]
        columns: dict[str, Any] = {}
        for task in self.tasks:
            columns[f"predicted_{task.name}"] = self.labels(task.name)
            if task.name in self.probabilities:
                columns[f"predicted_{task.name}_probability"] = self.probabilities[task.name].max(axis=1)
        return pandas.DataFrame(columns)


class Predictor:
    """Predicts all tasks of a bundle in one pass.

    Use :meth:`load` to make one from a folder::

        predictor = Predictor.load("bundle")
        for prediction in predictor.predict(["What a lovely day", "Shares fell on Monday"]):
            print(prediction.labels, prediction.embedding.shape)

    Args:
        bundle: names the tasks and holds the tokenizer.
        backend: computes embeddings and logits.

    Raises:
        UserError: the backend's graph does not fit the bundle's tasks, or the tokenizer or the scores cannot be read.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.tasks = bundle.tasks
        fitted = [entry.temperature for entry in bundle.manifest.tasks]
        self.temperatures = [1.0 if temperature is None else temperature for temperature in fitted]
        self.classes = [len(task.labels) for task in self.tasks]
        self.hidden_size = backend.width - sum(self.classes)
        if self.hidden_size < 1:
            raise UserError(f"{str(bundle.folder)!r}: its graph does not fit its tasks.json; export the bundle again")
        self.scores = read_scores(bundle.folder, self.tasks)
        tokenizer = bundle.load_text_tokenizer()
        pool = None if tokenizer.windows == 1 else self._window_outputs()
        self.runner = TextRunner(tokenizer, backend.width, backend, backend.streams, pool)

    def _window_outputs(self) -> WindowOutputs:
        return WindowOutputs.read(self.bundle.folder, self.tasks, self.hidden_size, self.bundle.is_normalized)

    @classmethod
    def load(cls, folder: str | Path, backend: str = "torch", precision: str = "auto", device: str = "auto") -> Self:
        """Load a bundle that ``scripts/export.py`` wrote, of this or an older version of Polyhead.

        Args:
            folder: of the bundle.
            backend: ``torch``, ``onnx``, ``onnx-int8`` or ``openvino``; all but the first need a graph in the bundle.
            precision: ``auto`` takes bf16 where the processor multiplies it natively; or ``32-true``, ``bf16-true``.
            device: where torch computes: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.

        Raises:
            ParameterError: an unknown backend, precision or device, or one that is not present.
            UserError: no bundle, an altered one, one of a newer format, or a library that is not installed.
        """
        bundle = Bundle.open(folder)
        return cls(bundle, open_backend(bundle, backend, precision, device))

    def select(self, coverage: Wanted = None, accuracy: Wanted = None) -> Selection:
        """Return which labels to give, so that a wanted coverage or accuracy is kept::

            predictions = predictor.predict(texts)
            sets = predictor.select(coverage=0.9).label_sets(task, predictions.probabilities[task.name])

        Args:
            coverage: how often the set of labels of a text shall hold the true one; by task, or one for all.
            accuracy: how often an answer shall be right; by task, or one for all.

        Raises:
            ParameterError: a value that is not above 0 and below 1.
            UserError: both are wanted, a task that there is not, a bundle without the scores of validation, or a
                promise that validation does not allow.
        """
        return Selection.fit(self.scores, self.tasks, coverage, accuracy)

    @property
    def truncated(self) -> int:
        """The number of texts that were cut to the length limit so far."""
        return self.runner.truncated

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Predict any number of texts, in the order given.

        Raises:
            ParameterError: one text or anything else in place of a list.
            UserError: an entry of the list that is no text.
        """
        _check_texts(texts)
        chunks = list(self.runner.run(texts))
        nothing = np.zeros((0, self.runner.width), dtype=np.float32)
        return self._predictions(np.concatenate(chunks) if chunks else nothing)

    def stream(self, texts: Iterable[str], chunk: int | None = None) -> Iterator[Predictions]:
        """Predict one chunk of texts after the other, in memory that does not grow with their number.

        Args:
            texts: any number of them.
            chunk: texts per chunk; None takes as many as compute well together.

        Raises:
            ParameterError: one text or anything else in place of many, or a chunk below 1.
            UserError: an entry that is no text; it is raised once the entry's chunk is asked for.
        """
        _check_texts(texts)
        check_parameters(("chunk", chunk, chunk is None or chunk >= 1, "1 or more, or None"))
        return map(self._predictions, self.runner.run(texts, chunk))

    def _predictions(self, outputs: Floats) -> Predictions:
        """Split the backend's outputs (N, H + C of all tasks) into embeddings and probabilities."""
        embeddings, logits = np.split(outputs, [self.hidden_size], axis=1)
        logits_by_task = np.split(logits, np.cumsum(self.classes)[:-1], axis=1)
        probabilities = {
            task.name: softmax(task_logits / np.float32(temperature))
            for task, task_logits, temperature in zip(self.tasks, logits_by_task, self.temperatures, strict=True)
        }
        return Predictions(self.tasks, probabilities, embeddings)


def softmax(logits: Floats) -> Floats:
    """Turn logits (N, C) into probabilities (N, C).

    >>> softmax(np.array([[1000, 1000]], dtype=np.float32)).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _check_texts(texts: object) -> None:
    """Refuse one text, whose characters would be taken for texts, and anything else that holds none."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise ParameterError(f"texts: {texts!r:.40} given; it must be a list of texts")
