"""Mixing: how often the sentences of several sources come in an epoch. Knows nothing about texts or batches.

Shapes: N sentences, G sources.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError, did_you_mean

MIXINGS = ("proportional", "equal", "temperature")


def exponent(mixing: str, temperature: float) -> float:
    """Return the power of a source's size that its share of an epoch is proportional to.

    Sampling by temperature T takes 1/T (Arivazhagan et al. 2019, arXiv:1907.05019): 1 is proportional, infinity equal.

    Raises:
        UserError: an unknown mixing, or a temperature below 1.
    """
    if mixing not in MIXINGS:
        raise UserError(f"data.mixing: unknown {mixing!r}; {did_you_mean(mixing, MIXINGS)}")
    if not temperature >= 1:  # nan is not
        raise UserError(f"data.temperature: {temperature} given; it must be 1 (proportional) or more (towards equal)")
    return {"proportional": 1.0, "equal": 0.0}.get(mixing, 1 / temperature)


@dataclass(frozen=True)
class Mixture:
    """Sentences of several sources, of which an epoch draws as many as there are.

    Args:
        origins: source of each sentence, from 0 (N,).
        exponent: a source of n sentences has a share of an epoch proportional to n to this power.
    """

    origins: NDArray[np.integer[Any]]
    exponent: float

    def sizes(self) -> NDArray[np.int64]:
        """Return how many sentences of each source an epoch has (G,); their sum is N."""
        counts = np.bincount(self.origins)
        weights = np.where(counts > 0, np.power(np.maximum(counts, 1), self.exponent), 0.0)
        exact = weights / weights.sum() * len(self.origins)
        sizes: NDArray[np.int64] = np.floor(exact).astype(np.int64)
        largest_rests = np.argsort(sizes - exact, kind="stable")
        sizes[largest_rests[: len(self.origins) - sizes.sum()]] += 1
        return sizes

    def draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows of an epoch (N,), source by source.

        A source that is to give more than it has gives all of it as often as it goes and a random part once more: the
        sentences of one source differ by one at most in how often they come.
        """
        drawn = []
        for source, size in enumerate(self.sizes()):
            rows = np.flatnonzero(self.origins == source)
            if size:
                passes, rest = divmod(int(size), len(rows))
                drawn += [rows] * passes + [random.choice(rows, rest, replace=False)]
        return np.concatenate(drawn)
