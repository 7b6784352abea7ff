"""Binomial: exact probabilities and intervals of counts. Imports numpy alone; scipy is an extra."""

import math

import numpy as np

_HALVINGS = 50  # of an interval of shares


def binomial_tail(most: int, trials: int, probability: float) -> float:
    """Return how probable it is that at most ``most`` of ``trials`` happen, each with a probability between 0 and 1.

    >>> round(binomial_tail(1, 3, 0.5), 9)
    0.5
    """
    if probability >= 1:  # rounded
        return float(most >= trials)
    happened = np.arange(most)
    odds = np.log((trials - happened) / (happened + 1)) + math.log(probability / (1 - probability))
    terms = trials * math.log1p(-probability) + np.concatenate([[0.0], np.cumsum(odds)])  # logarithms
    return float(np.exp(terms).sum())


def binomial_interval(happened: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the shares between which the true one lies, given that ``happened`` of ``trials`` did.

    It is the exact interval of Clopper and Pearson 1934.

    >>> [round(share, 3) for share in binomial_interval(9, 10)]
    [0.555, 0.997]
    """
    tail = (1 - level) / 2
    return 1 - _upper(trials - happened, trials, tail), _upper(happened, trials, tail)


def _upper(happened: int, trials: int, tail: float) -> float:
    """Return the share with which so few or fewer happen with the probability ``tail``."""
    if happened == trials:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(happened, trials, middle) > tail else (low, middle)
    return high
