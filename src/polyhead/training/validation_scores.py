"""Validation scores: what validation says of a task's probabilities, and the thresholds that follow from it.

Knows nothing about models, and imports numpy alone. Shapes: N labelled validation sentences, C classes, P points kept.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.storage.schema import field_misfits
from polyhead.training.binomial import binomial_tail

POINTS = 1000
"""The most points that are kept of a task; of more sentences every N/1000-th counts, to the safe side."""

RISK = 0.1
"""How often, over draws of the validation sentences, a promised accuracy may be missed."""

_STEPS = 50  # numbers of sentences, from few to all, for which an accuracy is tested
_ROUNDING = 1e-9  # of a product of a level and a number of sentences


@dataclass(frozen=True)
class ValidationScores:
    """Probabilities after the temperature of the labelled validation sentences of one task.

    Args:
        rows: N.
        truth: probability of the true class at the ranks ceil(N i / P), i = 1..P, from the largest down (P,).
        confidence: probability of the predicted class at such ranks, each value once, from the largest down.
        answered: how many sentences have at least that confidence.
        right: how many of these are predicted right.

    Raises:
        UserError: values that no validation gives.
    """

    rows: int
    truth: list[float]
    confidence: list[float]
    answered: list[int]
    right: list[int]

    def __post_init__(self) -> None:
        points = min(self.rows, POINTS)
        lengths = {len(self.confidence), len(self.answered), len(self.right)}
        wrong = [most - few for most, few in zip(self.answered, self.right, strict=False)]
        sound = {
            "rows": self.rows >= 1,
            "truth": len(self.truth) == points and _are_falling(self.truth),
            "confidence": len(lengths) == 1 and _are_falling(self.confidence) and _differ(self.confidence),
            "answered": _are_rising(self.answered) and _differ(self.answered) and self.answered[-1:] == [self.rows],
            "right": _are_rising(self.right) and _are_rising(wrong),
        }
        for name, is_sound in sound.items():
            if not is_sound:
                raise UserError(f"{name}: values that no validation gives")

    @classmethod
    def of(cls, probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Self:
        """Keep what thresholds need of probabilities (N, C) and the true classes (N,), N at least 1.

        >>> scores = ValidationScores.of(np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]]), np.array([0, 1, 1]))
        >>> scores.truth, scores.confidence, scores.answered, scores.right
        ([0.875, 0.75, 0.5], [0.875, 0.75, 0.5], [1, 2, 3], [1, 2, 2])
        """
        rows = len(labels)
        points = min(rows, POINTS)
        ranks = -(-rows * np.arange(1, points + 1) // points)  # (P,), rounded up
        truth = -np.sort(-probabilities[np.arange(rows), labels])  # (N,)
        confidence = probabilities.max(axis=1)
        order = np.argsort(-confidence, kind="stable")
        right = np.cumsum((probabilities.argmax(axis=1) == labels)[order])
        kept = -np.unique(-confidence[order][ranks - 1])  # each once, from the largest down
        answered = np.searchsorted(-confidence[order], -kept, side="right")  # ties are answered together
        return cls(rows, _short(truth[ranks - 1]), _short(kept), answered.tolist(), right[answered - 1].tolist())

    @classmethod
    def from_plain(cls, content: object) -> Self:
        """Take what :meth:`plain` gave.

        Raises:
            UserError: values that it never gives.
        """
        names = {item.name for item in fields(cls)}
        if not isinstance(content, Mapping) or content.keys() != names:
            raise UserError(f"other entries than {', '.join(sorted(names))}")
        for problem in field_misfits(cls, content):
            raise UserError(problem)
        return cls(**content)

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return asdict(self)

    def set_threshold(self, coverage: float) -> float:
        """Return how probable a class must be to belong to the set of labels of a sentence.

        With it the sets of new sentences hold the true class with probability ``coverage`` or more, if the sentences
        are drawn as the validation sentences were: split conformal prediction with the least ambiguous sets (Sadinle,
        Lei and Wasserman 2019, "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels"), whose score is
        1 - p of the true class and whose rank is ceil((N + 1) coverage).

        Raises:
            UserError: too few sentences to promise that.
        """
        rank = math.ceil((self.rows + 1) * coverage - _ROUNDING)
        if rank > self.rows:
            most = math.floor(10_000 * self.rows / (self.rows + 1)) / 10_000
            raise UserError(f"its {self.rows:,} validation sentences promise {most:g} at most")
        return self.truth[(rank - 1) * len(self.truth) // self.rows]  # the first kept whose rank is that or higher

    def answer_threshold(self, accuracy: float) -> float:
        """Return how probable the predicted class must be to be given as an answer.

        With it the answers to new sentences are right with probability ``accuracy`` or more, if the sentences are drawn
        as the validation sentences were; of ten draws of validation sentences nine keep that (:data:`RISK`). This is
        the problem of Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks". As in
        Angelopoulos et al. 2021, "Learn then Test", thresholds are tested in a fixed order, here from the strictest
        down, by exact binomial tests. A test that passes hands its share of the risk on to the next (the fallback
        procedure of Wiens 2003, "A fixed sequence Bonferroni procedure"), so that one mistake among a few does not end
        it. Half of the risk belongs to the strictest threshold: it is met by so many sentences that half of the
        mistakes allowed would pass.

        Raises:
            UserError: too few sentences to promise that, or too many mistakes at all thresholds.
        """
        needed = math.ceil(math.log(RISK) / math.log(accuracy))
        if needed > self.rows:
            raise UserError(f"its {self.rows:,} validation sentences are too few, it takes {needed:,}")
        points = self._tested(accuracy)
        passed: int | None = None
        risk = 0.0
        for point, share in zip(points, risk_shares(len(points)), strict=True):
            risk += share
            wrong = self.answered[point] - self.right[point]
            if binomial_tail(wrong, self.answered[point], 1 - accuracy) <= risk:
                passed = point
            else:
                risk = 0.0
        if passed is None:
            few, all_right = points[0], self.right[-1]
            raise UserError(
                f"of its {self.answered[few]:,} most confident validation sentences {self.right[few]:,} are right, "
                f"of all {self.rows:,} {all_right:,}, which is no proof"
            )
        return self.confidence[passed]

    def _tested(self, accuracy: float) -> list[int]:
        """Return the points that are tested, by numbers of sentences alone: a look at mistakes would void the test."""
        first = first_tested(accuracy, self.rows)
        wanted = np.linspace(first, self.rows, _STEPS)
        return sorted({int(point) for point in np.searchsorted(self.answered, wanted)})


def risk_shares(tests: int) -> list[float]:
    """Return the share of the risk that belongs to each test: half to the first, and as much to each other.

    >>> risk_shares(1), risk_shares(3)
    ([0.1], [0.05, 0.025, 0.025])
    """
    others = tests - 1
    return [RISK / 2] + [RISK / 2 / others] * others if others else [RISK]


def first_tested(accuracy: float, rows: int) -> int:
    """Return the least number of sentences of which half of the mistakes allowed would pass; ``rows`` at most.

    >>> first_tested(0.9, 1000), first_tested(0.9, 50)
    (76, 50)
    """
    allowed = (1 - accuracy) / 2
    wrong, low = 0, 1
    while low < rows:
        high = min(math.ceil((wrong + 1) / allowed - _ROUNDING), rows)
        numbers = range(low, high)  # of sentences; half of the mistakes that they are allowed are so many
        place = bisect_left(numbers, -RISK / 2, key=lambda number: -binomial_tail(wrong, number, 1 - accuracy))
        if place < len(numbers):
            return numbers[place]
        wrong, low = wrong + 1, high
    return rows


def _short(values: NDArray[np.floating]) -> list[float]:
    """Return the shortest numbers that are the same in the precision of the array, for JSON."""
    return [float(str(value)) for value in values]


def _are_falling(probabilities: Sequence[float]) -> bool:
    within = all(0 <= value <= 1 for value in probabilities)
    return within and all(first >= second for first, second in pairwise(probabilities))


def _are_rising(counts: Sequence[int]) -> bool:
    return all(first <= second for first, second in pairwise([0, *counts]))


def _differ(values: Sequence[float]) -> bool:
    """Return whether ordered values, at least one, are each there once."""
    return len(values) > 0 and all(first != second for first, second in pairwise(values))
