"""Mixing: how often an epoch has the sentences of each source, or class. Knows nothing about texts or batches.

Shapes: N sentences, G sources.
"""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import ParameterError, check_parameters, did_you_mean

MIXINGS = ("proportional", "equal", "temperature")


def exponent(mixing: str, temperature: float) -> float:
    """Return the exponent of mixing: a source of n sentences has a share of an epoch proportional to n to this power.

    Temperature T gives 1/T (Arivazhagan et al. 2019, arXiv:1907.05019): T = 1 is proportional, T = infinity equal.

    >>> exponent("temperature", 2.0)
    0.5

    Raises:
        ParameterError: an unknown mixing, or a temperature below 1.
    """
    if mixing not in MIXINGS:
        raise ParameterError(f"mixing: unknown {mixing!r}; {did_you_mean(mixing, MIXINGS)}")
    rule = "1 (proportional) or more (towards equal)"
    check_parameters(("temperature", temperature, 1 <= temperature < inf, rule))
    if mixing == "temperature":
        return 1 / temperature
    return 1.0 if mixing == "proportional" else 0.0


@dataclass(frozen=True)
class Mixture:
    """Sentences of several sources; an epoch draws as many as there are in all.

    Args:
        origins: source of each sentence, from 0 (N,).
        exponent: a source of n sentences has a share of an epoch proportional to n to this power.
    """

    origins: NDArray[np.integer[Any]]
    exponent: float

    def sizes(self) -> NDArray[np.int64]:
        """Return how many sentences of each source an epoch has (G,); their sum is N.

        Shares are rounded down; the sources with the largest remainders get one more each, until all N are given.
        """
        counts = np.bincount(self.origins)
        powers = np.power(np.maximum(counts, 1), self.exponent)
        weights = np.where(counts > 0, powers, 0.0)
        exact = weights / weights.sum() * len(self.origins)
        sizes: NDArray[np.int64] = np.floor(exact).astype(np.int64)
        left = len(self.origins) - sizes.sum()
        by_remainder = np.argsort(sizes - exact, kind="stable")
        sizes[by_remainder[:left]] += 1
        return sizes

    def draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows of an epoch (N,), source by source.

        A source that must give more sentences than it has gives all of them several times, and a random part once
        more: no sentence of a source comes more than once more often than another.
        """
        drawn = []
        for source, size in enumerate(self.sizes()):
            rows = np.flatnonzero(self.origins == source)
            if size:
                passes, rest = divmod(int(size), len(rows))
                drawn += [rows] * passes + [random.choice(rows, rest, replace=False)]
        return np.concatenate(drawn)


@dataclass(frozen=True)
class Balance:
    """Sentences of a task's classes; an epoch draws as many of each class, and as many in all as there are.

    Args:
        classes: class of each sentence, below 0 where it has none: those come once per epoch (N,).
    """

    classes: NDArray[np.integer[Any]]

    def draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows of an epoch (N,); no sentence of a class comes more than once more often than another."""
        labelled, rest = np.flatnonzero(self.classes >= 0), np.flatnonzero(self.classes < 0)
        if not len(labelled):
            return rest
        return np.concatenate([labelled[Mixture(self.classes[labelled], 0.0).draw(random)], rest])
