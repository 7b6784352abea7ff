"""Selection: when a label is given as an answer, and which labels are given together. Knows nothing about models.

Shapes: N texts, C classes of a task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError, check_parameters, did_you_mean, is_finite
from polyhead.tasks import Task
from polyhead.training.validation_scores import ValidationScores

Wanted = float | Mapping[str, float] | None
"""A share between 0 and 1 for all tasks, or by task; tasks that it does not name are left alone."""

_RULE = "above 0 and below 1"
_ECHOED = 100  # characters of a name that there is not


@dataclass(frozen=True)
class Selection:
    """Thresholds of probabilities, by task; a task without one is left alone.

    Args:
        least_in_set: how probable a class must be to belong to the set of labels; the most probable always does.
        least_answered: how probable the most probable class must be to be given as an answer.
    """

    least_in_set: Mapping[str, float]
    least_answered: Mapping[str, float]

    @classmethod
    def fit(
        cls,
        scores: Mapping[str, ValidationScores],
        tasks: tuple[Task, ...],
        coverage: Wanted = None,
        accuracy: Wanted = None,
    ) -> Self:
        """Find the thresholds that keep what is wanted, as far as validation can promise it.

        Args:
            scores: of validation, by task.
            tasks: that are predicted.
            coverage: how often the set of labels shall hold the true one.
            accuracy: how often an answer shall be right.

        Raises:
            ParameterError: a value that is not above 0 and below 1.
            UserError: both are wanted, a task that there is not, one without scores, or a promise that cannot be made.
        """
        known = [task.name for task in tasks]
        _check_names("coverage", coverage, known)
        _check_names("accuracy", accuracy, known)
        check_wanted(coverage, accuracy)
        _check_kinds("coverage", coverage, tasks)
        _check_kinds("accuracy", accuracy, tasks)
        return cls(
            _thresholds("coverage", coverage, scores, known, ValidationScores.set_threshold),
            _thresholds("accuracy", accuracy, scores, known, ValidationScores.answer_threshold),
        )

    def concerns(self, task: Task) -> bool:
        """Return whether there is a threshold for a task."""
        return task.name in self.least_in_set or task.name in self.least_answered

    def label_sets(self, task: Task, probabilities: NDArray[np.floating]) -> list[list[str]]:
        """Return the labels of each text's set by probabilities (N, C), the most probable first.

        It is empty where a task about two texts was given one.

        >>> task = Task("kind", ("a", "b", "c"))
        >>> Selection({"kind": 0.25}, {}).label_sets(task, np.array([[0.125, 0.5, 0.375], [0.5, 0.25, 0.25]]))
        [['b', 'c'], ['a', 'b', 'c']]
        """
        order = np.argsort(-probabilities, axis=1, kind="stable")  # (N, C)
        sizes = self.set_sizes(task, probabilities).tolist()
        return [[task.labels[index] for index in row[:size]] for row, size in zip(order.tolist(), sizes, strict=True)]

    def set_sizes(self, task: Task, probabilities: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return how many labels each text's set has (N,), by probabilities (N, C); none where these are no numbers."""
        sizes: NDArray[np.intp] = (probabilities >= self.least_in_set[task.name]).sum(axis=1)
        return np.where(np.isnan(probabilities[:, 0]), 0, np.maximum(sizes, 1))

    def answered(self, task: Task, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether each text is answered (N,), by probabilities (N, C)."""
        is_answered: NDArray[np.bool_] = probabilities.max(axis=1) >= self.least_answered.get(task.name, 0.0)
        return is_answered


def check_wanted(coverage: Wanted, accuracy: Wanted) -> None:
    """Check what is wanted before anything is loaded for it.

    Raises:
        ParameterError: a value that is not above 0 and below 1.
        UserError: both are wanted.
    """
    check_parameters(*_checks("coverage", coverage), *_checks("accuracy", accuracy))
    if coverage is not None and accuracy is not None:
        raise UserError(
            "coverage and accuracy: both given; set one of them: sets of labels, or answers and abstentions"
        )


def _check_names(name: str, wanted: object, tasks: Sequence[str]) -> None:
    """Refuse the first other name: a client may have sent a million of them."""
    for task in wanted if isinstance(wanted, Mapping) else ():
        if task not in tasks:
            given = str(task)[:_ECHOED]
            raise UserError(f"{name}: no task {given!r}; {did_you_mean(given, tasks)}")


def _check_kinds(name: str, wanted: Wanted, tasks: Sequence[Task]) -> None:
    """Refuse what is wanted of tasks whose answers are not one class with a calibrated probability."""
    asked = [task for task in tasks if not isinstance(wanted, Mapping) or task.name in wanted]
    others = [f"{task.name} is {task.kind.name}" for task in asked if task.kind.fits != "temperature"]
    if wanted is not None and others:
        rule = f"only single_label and entailment tasks promise it; name those alone: {name}={{TASK: 0.9}}"
        raise UserError(f"{name}: {', '.join(others)}, and {rule}")


def _checks(name: str, wanted: object) -> list[tuple[str, object, bool, str]]:
    if wanted is None:
        return []
    values = (
        {f"{name}.{task}": value for task, value in wanted.items()} if isinstance(wanted, Mapping) else {name: wanted}
    )
    return [(key, value, is_finite(value) and 0 < value < 1, _RULE) for key, value in values.items()]


def _thresholds(
    name: str,
    wanted: Wanted,
    scores: Mapping[str, ValidationScores],
    tasks: Sequence[str],
    threshold: Callable[[ValidationScores, float], float],
) -> dict[str, float]:
    if wanted is None:
        return {}
    levels = dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(tasks, wanted)
    found: dict[str, float] = {}
    for task, level in levels.items():
        if task not in scores:
            raise UserError(
                f"{name}: the model has no validation scores of {task}, it is of an older version or had no validation "
                "labels; train and export it again"
            )
        try:
            found[task] = threshold(scores[task], level)
        except UserError as error:
            raise UserError(
                f"{name}: {level} cannot be promised for {task}: {error}; set a lower one, validate on more "
                f"sentences, or name the other tasks alone: {name}={{TASK: {level}}}"
            ) from error
    return found
