"""Predictor: texts -> labels, probabilities and embeddings, from a bundle. Knows nothing about files or serving.

Shapes: N texts, H hidden units, C classes of a task.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, overload

import numpy as np

from polyhead.deployment.backends import Backend, open_backend
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.scores import read_scores
from polyhead.deployment.nested_backend import NestedBackend, nested_bundle
from polyhead.deployment.prediction import Floats, Prediction
from polyhead.deployment.selection import Selection, Wanted
from polyhead.deployment.window_outputs import WindowOutputs
from polyhead.errors import UserError, check_parameters, require_extra
from polyhead.inference.text_runner import TextRunner, check_list
from polyhead.tasks import Task


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
        probabilities: (N, C) of each task with classes, by name.
        embeddings: (N, H).
        numbers: (N,) of each task whose answer is a number, by name.
        fits: what validation fitted, by task.
    """

    tasks: tuple[Task, ...]
    probabilities: Mapping[str, Floats]
    embeddings: Floats
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of_outputs(cls, tasks: tuple[Task, ...], outputs: Floats, fits: Mapping[str, Mapping[str, Any]]) -> Self:
        """Make predictions of a network's outputs.

        Args:
            tasks: what is predicted, in the order of the outputs.
            outputs: embeddings, and after them the logits of all tasks (N, H + W).
            fits: what validation fitted, by task; a task may be without.
        """
        width = outputs.shape[1] - sum(task.width for task in tasks)
        ends = np.cumsum([width, *(task.width for task in tasks)])
        embeddings, *logits = np.split(outputs, ends[:-1], axis=1)
        found = {
            task.name: task.kind.outputs(some, fits.get(task.name, {}))
            for task, some in zip(tasks, logits, strict=True)
        }
        probabilities = {name: values for name, values in found.items() if values.ndim == 2}
        numbers = {name: values for name, values in found.items() if values.ndim == 1}
        return cls(tasks, probabilities, embeddings, numbers, fits)

    def __len__(self) -> int:
        return len(self.embeddings)

    @overload
    def __getitem__(self, rows: int) -> Prediction: ...

    @overload
    def __getitem__(self, rows: slice) -> Self: ...

    def __getitem__(self, rows: int | slice) -> Prediction | Self:
        if isinstance(rows, slice):
            some = {name: shares[rows] for name, shares in self.probabilities.items()}
            numbers = {name: values[rows] for name, values in self.numbers.items()}
            return type(self)(self.tasks, some, self.embeddings[rows], numbers, self.fits)
        row = rows % len(self) if rows < 0 else rows
        one = self[row : row + 1]
        labels = {task.name: one.labels(task.name)[0] for task in self.tasks}
        probabilities = {
            task.name: dict(zip(task.labels, self.probabilities[task.name][rows].tolist(), strict=True))
            for task in self.tasks
            if task.name in self.probabilities
        }
        return Prediction(labels, probabilities, self.embeddings[rows])

    def labels(self, task: str) -> list[Any]:
        """Return the answer of a task for each text: of single labels the most probable class, the first of equals.

        Raises:
            KeyError: no such task.
        """
        asked = {some.name: some for some in self.tasks}[task]
        outputs = self.probabilities[task] if task in self.probabilities else self.numbers[task]
        return asked.kind.answers(asked.labels, asked.kind.codes(outputs, self.fits.get(task, {})))

    def confidences(self, task: Task) -> Floats:
        """Return how probable the answer is for each text (N,), of a task whose answer is one class."""
        shares = self.probabilities[task.name]
        codes = task.kind.codes(shares, self.fits.get(task.name, {}))
        return np.take_along_axis(shares, codes[:, None], axis=1)[:, 0]

    def to_frame(self) -> Any:
        """Return a frame of pandas: for each task a column of answers, and how probable they are where one class is.

        Raises:
            UserError: pandas is not installed.
        """
        with require_extra("data", "to_frame"):
            import pandas  # type: ignore[import-untyped]
        columns: dict[str, Any] = {}
        for task in self.tasks:
            columns[f"predicted_{task.name}"] = self.labels(task.name)
            if task.kind.one_class:
                columns[f"predicted_{task.name}_probability"] = self.confidences(task)
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
        self.fits = {entry.name: entry.fit for entry in bundle.manifest.tasks}
        self.hidden_size = backend.width - sum(task.width for task in self.tasks)
        if self.hidden_size < 1:
            raise UserError(f"{str(bundle.folder)!r}: its graph does not fit its tasks.json; export the bundle again")
        self.scores = read_scores(bundle.folder, self.tasks)
        tokenizer = bundle.load_text_tokenizer()
        pool = None
        if tokenizer.windows > 1:
            pool = WindowOutputs.read(bundle.folder, self.tasks, self.hidden_size, bundle.is_normalized)
        self.runner = TextRunner(tokenizer, backend.width, backend, backend.streams, pool)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        backend: str = "torch",
        precision: str = "auto",
        device: str = "auto",
        *,
        dimensions: int | None = None,
    ) -> Self:
        """Load a bundle that ``scripts/export.py`` wrote, of this or an older version of Polyhead.

        Args:
            folder: of the bundle.
            backend: ``torch``, ``onnx``, ``onnx-int8`` or ``openvino``; all but the first need a graph in the bundle.
            precision: ``auto`` takes bf16 where the processor multiplies it natively; or ``32-true``, ``bf16-true``.
            device: where torch computes: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.
            dimensions: first units of the embedding to use, one of the widths that the model was trained for.

        Raises:
            ParameterError: an unknown backend, precision or device, or one that is not present.
            UserError: no bundle, an altered one, one of a newer format, a library that is not installed, or a width
                that the model was not trained for.
        """
        bundle = Bundle.open(folder)
        opened = open_backend(bundle, backend, precision, device)
        if dimensions is None:
            return cls(bundle, opened)
        made = cls(nested_bundle(bundle, dimensions), NestedBackend(opened, bundle, dimensions))
        made.scores = {}  # they are of the whole embedding
        return made

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
        check_list(texts)
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
        check_list(texts)
        check_parameters(("chunk", chunk, chunk is None or chunk >= 1, "1 or more, or None"))
        return map(self._predictions, self.runner.run(texts, chunk))

    def _predictions(self, outputs: Floats) -> Predictions:
        """Split the backend's outputs (N, H + W of all tasks) into embeddings and answers."""
        return Predictions.of_outputs(self.tasks, outputs, self.fits)
