"""Selection: the sentences whose labels would teach a model most. Knows nothing about texts.

Shapes: N sentences, W units of an embedding, T tasks, C classes of a task, G classes of all tasks together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SEED = 0  # the same sentences give the same selection


def uncertainty(probabilities: Sequence[Floats]) -> Floats:
    """Return how unsure a model is of each sentence (N,): 1 less the lead of the first class, on average over tasks.

    0 where the first class has all, 1 where two have the same; so that tasks of few and many classes count alike.

    >>> sure, torn = [0.9, 0.1, 0.0], [0.4, 0.4, 0.2]
    >>> [f"{value:.1f}" for value in uncertainty([np.array([sure, torn], dtype=np.float32)])]
    ['0.2', '1.0']

    Args:
        probabilities: (N, C) of each task.
    """
    leads = []
    for shares in probabilities:
        second, first = np.partition(shares, -2, axis=1)[:, -2:].T  # (N,) each
        leads.append(first - second)
    return np.asarray(1 - np.mean(leads, axis=0), dtype=np.float32)


def pseudo_residuals(probabilities: Sequence[Floats]) -> Floats:
    """Return the probabilities less 1 for the most probable class, of all tasks side by side (N, G).

    Their products with the embedding are the gradient of the cross-entropy in the heads' weights, if the model is
    right: long where it is unsure, and alike for sentences that would teach the same.

    Args:
        probabilities: (N, C) of each task.
    """
    residuals = []
    for shares in probabilities:
        residual = shares.copy()
        residual[np.arange(len(shares)), shares.argmax(axis=1)] -= 1
        residuals.append(residual)
    return np.concatenate(residuals, axis=1)


def select(embeddings: Floats, residuals: Floats, count: int) -> NDArray[np.intp]:
    """Choose sentences that a model is unsure of and that differ from each other, by BADGE (Ash et al. 2020).

    K-means++ seeding on the gradients of arXiv 1906.03671: each next sentence is drawn with a probability in proportion
    to the squared distance of its gradient from the nearest one chosen. A gradient is the outer product of residual and
    embedding, whose distances follow from those of the two, so that it is never formed. Two departures: the first is
    drawn by its length like the rest, and the gradients of several tasks are side by side.

    Args:
        embeddings: of length 1 (N, W).
        residuals: :func:`pseudo_residuals` (N, G).
        count: how many.

    Returns:
        The rows chosen, distinct, in the order in which they were drawn: ``count``, or all N if there are fewer.
    """
    random = np.random.default_rng(_SEED)
    lengths = (residuals**2).sum(axis=1) * (embeddings**2).sum(axis=1)  # squared, of the gradients (N,)
    distances = lengths.astype(np.float64)  # squared, from the nearest chosen, at first from no gradient at all
    free = np.ones(len(embeddings), dtype=np.bool_)
    chosen: list[int] = []
    for _ in range(min(count, len(embeddings))):
        row = _draw(distances * free, free, random)
        chosen.append(row)
        free[row] = False
        products = (residuals @ residuals[row]) * (embeddings @ embeddings[row])
        found = np.maximum(lengths + lengths[row] - 2 * products, 0)
        distances = np.minimum(distances, found) if len(chosen) > 1 else found.astype(np.float64)
    return np.array(chosen, dtype=np.intp)


def _draw(weights: NDArray[np.float64], free: NDArray[np.bool_], random: np.random.Generator) -> int:
    """Draw a row in proportion to its weight; one of the free rows where no weight is left."""
    total = weights.sum()
    shares = weights / total if total > 0 else free / free.sum()
    return int(random.choice(len(weights), p=shares))
