"""Predictions: the answers for texts, as arrays by task and text by text. Knows nothing about networks.

Shapes: N texts, P of them with a second text, H hidden units, C classes and W logits of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import require_extra
from polyhead.tasks import Task, of_one_text

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one text.

    Args:
        labels: the answer of each task: the most probable class name, a number, or a list of class names. Tasks about
            two texts are there where second texts were given, with None for a text without.
        probabilities: of every class, by task and class name; tasks without classes have none.
        embedding: (H,).
    """

    labels: Mapping[str, Any]
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
        probabilities: (N, C) of each task with classes, by name.
        embeddings: (N, H).
        numbers: (N,) of each task whose answer is a number, by name; NaN where there is none.
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
        by_name = {task.name: some for task, some in zip(tasks, logits, strict=True)}
        return cls.of_logits(tasks, embeddings, by_name, fits)

    @classmethod
    def of_logits(
        cls,
        tasks: tuple[Task, ...],
        embeddings: Floats,
        logits: Mapping[str, Floats],
        fits: Mapping[str, Mapping[str, Any]],
    ) -> Self:
        """Make predictions of embeddings (N, H) and the logits (N, W) of each task."""
        found = {task.name: task.kind.outputs(logits[task.name], fits.get(task.name, {})) for task in tasks}
        probabilities = {name: values for name, values in found.items() if values.ndim == 2}
        numbers = {name: values for name, values in found.items() if values.ndim == 1}
        return cls(tasks, probabilities, embeddings, numbers, fits)

    def of_one_text(self) -> Self:
        """Return these predictions without those of tasks about two texts."""
        return replace(self, tasks=of_one_text(self.tasks))

    def with_pairs(self, rows: NDArray[np.intp], pairs: Self) -> Self:
        """Return these predictions and those of tasks about two texts.

        Args:
            rows: that have a second text (P,).
            pairs: the predictions for them.
        """

        def spread(values: Floats) -> Floats:
            whole = np.full((len(self), *values.shape[1:]), np.nan, dtype=np.float32)
            whole[rows] = values
            return whole

        probabilities = {name: spread(values) for name, values in pairs.probabilities.items()}
        numbers = {name: spread(values) for name, values in pairs.numbers.items()}
        return replace(
            self,
            tasks=(*self.tasks, *pairs.tasks),
            probabilities={**self.probabilities, **probabilities},
            numbers={**self.numbers, **numbers},
        )

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
            if task.name in self.probabilities and labels[task.name] is not None
        }
        return Prediction(labels, probabilities, self.embeddings[rows])

    def labels(self, task: str) -> list[Any]:
        """Return the answer of a task for each text: of single labels the most probable class, the first of equals.

        None stands where a task about two texts was given one.

        Raises:
            KeyError: no such task.
        """
        asked = {some.name: some for some in self.tasks}[task]
        outputs = self.probabilities[task] if task in self.probabilities else self.numbers[task]
        is_known = ~np.isnan(outputs if outputs.ndim == 1 else outputs[:, 0])
        known = outputs if is_known.all() else outputs[is_known]
        answers = iter(asked.kind.answers(asked.labels, asked.kind.codes(known, self.fits.get(task, {}))))
        return [next(answers) if is_given else None for is_given in is_known.tolist()]

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
