"""Head solver: the minimum of linear heads' losses plus an L2 penalty. Knows nothing about models or trainers.

Shapes: N rows, n rows of a chunk, W units of an embedding, C classes of a task, F fits of a task that are made at once.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from polyhead.training.head_problem import HeadProblem, LinearHeads
from polyhead.training.ridge import solve_ridge

_LOGITS = 2**22  # of a chunk of rows, in all fits of a task: 32 MB
_CHUNK = 8192  # rows of a chunk, at most
_SAMPLE = 20_000  # rows whose covariance stands for that of all
_HISTORY = 20


class HeadSolver:
    r"""Finds the weights W and biases b of linear heads that minimize, for each fit,

    .. math:: \sum_n r_n \, loss(W x_n + b, y_n) + \frac{penalty}{2} \lVert W \rVert^2

    by L-BFGS (Liu and Nocedal 1989), all fits of all tasks at once, in double precision; where the loss is the squared
    error, in closed form (:func:`polyhead.training.ridge.solve_ridge`). With cross-entropy this is
    scikit-learn's ``LogisticRegression(C=1 / penalty)``; for two classes ``C=2 / penalty``, because there it has one
    row of weights, the difference of ours. The heads begin at 0, so the result depends on nothing but the arguments.

    The weights are found in coordinates in which all directions are about equally curved: those of the principal
    components of the features, each divided by the root of Böhning's bound on the curvature (Böhning 1992,
    "Multinomial logistic regression algorithm").

    Args:
        features: (N, W), which may be mapped from a file; read in chunks.
    """

    def __init__(self, features: Tensor) -> None:
        self.features = features
        step = max(1, -(-len(features) // _SAMPLE))
        sample = features[::step].double()
        self.mean = sample.mean(dim=0)  # (W,)
        centered = sample - self.mean
        variances, self._directions = torch.linalg.eigh(centered.T @ centered / len(sample))
        self._variances = variances.clamp(min=0)  # (W,)

    @property
    def variance(self) -> float:
        """Mean squared distance of the features from their mean."""
        return float(self._variances.sum())

    def solve(self, problems: Sequence[HeadProblem], tolerance: float = 1e-7, steps: int = 1000) -> list[LinearHeads]:
        """Return the heads of each problem.

        Args:
            problems: of different tasks, over the same rows.
            tolerance: the largest slope that is left, of a mean loss in the coordinates of the search.
            steps: of L-BFGS, at most.
        """
        others = iter(self._search([one for one in problems if not one.quadratic], tolerance, steps))
        return [solve_ridge(self.features, one) if one.quadratic else next(others) for one in problems]

    def _search(self, problems: Sequence[HeadProblem], tolerance: float, steps: int) -> list[LinearHeads]:
        """Return the heads of each problem, by L-BFGS."""
        if not problems:
            return []
        scales = [self._scales(problem) for problem in problems]
        weights = [torch.zeros(len(p.penalties), len(self.mean), p.classes, dtype=torch.double) for p in problems]
        biases = [torch.zeros(len(p.penalties), p.classes, dtype=torch.double) for p in problems]
        variables = [*weights, *biases]
        optimizer = torch.optim.LBFGS(
            variables,
            max_iter=steps,
            max_eval=2 * steps,
            history_size=_HISTORY,
            tolerance_grad=tolerance,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def objective() -> Tensor:
            total = torch.zeros((), dtype=torch.double)
            for problem, scale, weight, bias in zip(problems, scales, weights, biases, strict=True):
                total += self._evaluate(problem, scale, weight, bias)
            return total

        with torch.no_grad():
            optimizer.step(objective)  # type: ignore[no-untyped-call]
            return [self._heads(*found) for found in zip(scales, weights, biases, strict=True)]

    def _scales(self, problem: HeadProblem) -> Tensor:
        """Return the factors (F, W) from the coordinates of the search to the principal components."""
        penalties = torch.tensor(problem.penalties, dtype=torch.double) / problem.totals
        factors: Tensor = (self._variances / 2 + penalties[:, None]).rsqrt()
        return factors

    def _heads(self, scale: Tensor, weight: Tensor, bias: Tensor) -> LinearHeads:
        found = self._directions @ (scale[:, :, None] * weight)  # (F, W, C)
        return LinearHeads(found.mT.contiguous(), bias - self.mean @ found)

    def _evaluate(self, problem: HeadProblem, scale: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the sum of a problem's objectives, each as a mean over its rows, and set the gradients."""
        fits, width, classes = weight.shape
        found = (self._directions @ (scale[:, :, None] * weight)).transpose(0, 1).reshape(width, fits * classes)
        value = torch.zeros((), dtype=torch.double)
        slope = torch.zeros_like(found)
        bias_slope = torch.zeros_like(bias)
        for start, stop in self._chunks(fits * classes):
            rows = self.features[start:stop].double() - self.mean  # (n, W)
            logits = (rows @ found).view(-1, fits, classes) + bias  # (n, F, C)
            losses, slopes = _losses(problem, logits, start, stop)
            value += losses
            slope += rows.T @ slopes.flatten(1)
            bias_slope += slopes.sum(dim=0)
        shares = torch.tensor(problem.penalties, dtype=torch.double) / problem.totals  # (F,)
        found = found.view(width, fits, classes).transpose(0, 1)  # (F, W, C)
        slope = slope.view(width, fits, classes).transpose(0, 1) + shares[:, None, None] * found
        weight.grad = scale[:, :, None] * (self._directions.T @ slope)
        bias.grad = bias_slope
        value += (shares * found.square().sum(dim=(1, 2))).sum() / 2
        return value

    def _chunks(self, logits: int) -> Iterator[tuple[int, int]]:
        size = max(1, min(_CHUNK, _LOGITS // logits))
        for start in range(0, len(self.features), size):
            yield start, min(start + size, len(self.features))


def _losses(problem: HeadProblem, logits: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses of some rows over all fits, each fit's as a share of its total, and its slopes."""
    fits = logits.shape[1]
    shares = 1 / problem.totals.expand(fits)  # (F,)
    weights = shares if problem.weights is None else shares * problem.weights[:, start:stop].T.double()  # (n, F)
    labels = problem.labels[start:stop].repeat_interleave(fits, dim=0)  # (n F,) or (n F, C)
    with torch.enable_grad():
        leaf = logits.flatten(0, 1).requires_grad_()
        losses = problem.loss(leaf, labels).view(-1, fits)
        value = (weights * losses).sum()
        (slopes,) = torch.autograd.grad(value, leaf)
    return value.detach(), slopes.view_as(logits)
