"""Ridge: linear heads with the least squared error plus an L2 penalty, in closed form. Knows nothing about models.

Shapes: N rows, n rows of a chunk, W units of an embedding, F fits of a task that are made at once.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from polyhead.tasks import is_labelled
from polyhead.training.head_problem import HeadProblem, LinearHeads

_CHUNK = 8192  # rows


class _Sums(NamedTuple):
    """Sums over rows with their weights: of these, of x (W,), of y, of x x (W, W) and of x y (W,)."""

    weight: Tensor
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor


def solve_ridge(features: Tensor, problem: HeadProblem) -> LinearHeads:
    r"""Return the heads w, b of each fit that minimize, in double precision,

    .. math:: factor \sum_n r_n (w x_n + b - y_n)^2 + \frac{penalty}{2} \lVert w \rVert^2

    That is scikit-learn's ``Ridge(alpha=penalty / (2 factor))``, whose bias is not penalized either.

    Args:
        features: (N, W), which may be mapped from a file; read in chunks.
        problem: whose loss is the squared error of one logit times a factor.
    """
    factor = float(problem.loss(torch.ones(1, 1, dtype=torch.double), torch.zeros(1, dtype=torch.double)))
    fits = len(problem.penalties)
    alike, index = _distinct(problem.weights)
    sums = [_sum(features, problem.labels, weights) for weights in alike]
    weight = torch.empty(fits, 1, features.shape[1], dtype=torch.double)
    bias = torch.empty(fits, 1, dtype=torch.double)
    for fit, penalty in enumerate(problem.penalties):
        weight[fit, 0], bias[fit, 0] = _solve(sums[index[fit]] if index else sums[0], penalty / (2 * factor))
    return LinearHeads(weight, bias)


def _distinct(weights: Tensor | None) -> tuple[list[Tensor | None], list[int]]:
    """Return the distinct weights of rows (N,), and which of them each fit has."""
    if weights is None:
        return [None], []
    rows, index = torch.unique(weights, dim=0, return_inverse=True)
    return [*rows], index.tolist()


def _sum(features: Tensor, labels: Tensor, weights: Tensor | None) -> _Sums:
    width = features.shape[1]
    shapes = ((), (width,), (), (width, width), (width,))
    total = _Sums(*(torch.zeros(shape, dtype=torch.double) for shape in shapes))
    for start in range(0, len(features), _CHUNK):
        x, y = features[start : start + _CHUNK].double(), labels[start : start + _CHUNK].double()  # (n, W), (n,)
        r = is_labelled(y).double()
        if weights is not None:
            r = r * weights[start : start + _CHUNK].double()
        y = y.nan_to_num()
        weighted = x * r[:, None]
        parts = (r.sum(), weighted.sum(dim=0), r @ y, weighted.T @ x, weighted.T @ y)
        total = _Sums(*(old + new for old, new in zip(total, parts, strict=True)))
    return total


def _solve(sums: _Sums, alpha: float) -> tuple[Tensor, Tensor]:
    """Return the weights (W,) and the bias () with the penalty ``alpha`` on the squared norm."""
    rows = sums.weight.clamp(min=torch.finfo(torch.double).tiny)
    mean, middle = sums.x / rows, sums.y / rows
    covariance = sums.xx - torch.outer(sums.x, mean)
    covariance.diagonal().add_(alpha)
    found = torch.linalg.solve(covariance, sums.xy - sums.x * middle)
    return found, middle - mean @ found
