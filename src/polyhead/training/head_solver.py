"""Head solver: the minimum of linear heads' losses plus an L2 penalty. Knows nothing about models or trainers.

Shapes: N rows, n rows of a chunk, W units of an embedding, K principal components of them, C classes of a task, F fits
of a task that are made at once.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from polyhead.tasks import is_labelled
from polyhead.training.head_problem import HeadProblem, LinearHeads
from polyhead.training.ridge import solve_ridge

_LOGITS = 2**22  # of a chunk of rows, in all fits of a task: 32 MB
_CHUNK = 8192  # rows of a chunk, at most
_SAMPLE = 20_000  # rows whose covariance stands for that of all
_KEPT = 2**24  # numbers of rows that are turned once, not in each step: 128 MB
_HISTORY = 20


class HeadSolver:
    r"""Finds the weights W and biases b of linear heads that minimize, for each fit,

    .. math:: \sum_n r_n \, loss(W x_n + b, y_n) + \frac{penalty}{2} \lVert W \rVert^2

    by L-BFGS (Liu and Nocedal 1989), all fits of a task at once, in double precision; where the loss is the squared
    error, in closed form (:func:`polyhead.training.ridge.solve_ridge`). With cross-entropy this is
    scikit-learn's ``LogisticRegression(C=1 / penalty)``; for two classes ``C=2 / penalty``, because there it has one
    row of weights, the difference of ours. The heads begin at 0, so the result depends on nothing but the arguments.

    The weights are found in coordinates in which all directions are about equally curved: those of the principal
    components of the features, each divided by the root of Böhning's bound on the curvature (Böhning 1992,
    "Multinomial logistic regression algorithm"). Fewer rows than units have as many components as rows.

    Args:
        features: (N, W), which may be mapped from a file; read in chunks.
    """

    def __init__(self, features: Tensor) -> None:
        self.features = features
        step = max(1, -(-len(features) // _SAMPLE))
        sample = features[::step].double()
        self.mean = sample.mean(dim=0)  # (W,)
        centered = sample - self.mean
        self._variances, self._directions = _components(centered)  # (K,), (W, K)

    @property
    def variance(self) -> float:
        """Mean squared distance of the features from their mean."""
        return float(self._variances.sum())

    def solve(self, problems: Sequence[HeadProblem], tolerance: float = 1e-6, steps: int = 1000) -> list[LinearHeads]:
        """Return the heads of each problem.

        Args:
            problems: of different tasks, over the same rows.
            tolerance: the largest slope that is left, of a mean loss in the coordinates of the search.
            steps: of L-BFGS, at most.
        """
        return [
            solve_ridge(self.features, problem) if problem.quadratic else self._search(problem, tolerance, steps)
            for problem in problems
        ]

    def _search(self, problem: HeadProblem, tolerance: float, steps: int) -> LinearHeads:
        """Return the heads of a problem, by L-BFGS.

        Each task by itself: in one search the others would wait for the slowest, and take its shorter steps.
        """
        rows = LabeledRows(self.features, self.mean, self._directions, problem)
        scale = self._scales(problem)
        weight = torch.zeros(*scale.shape, problem.classes, dtype=torch.double)
        bias = torch.zeros(len(problem.penalties), problem.classes, dtype=torch.double)
        optimizer = torch.optim.LBFGS(
            [weight, bias],
            max_iter=steps,
            max_eval=2 * steps,
            history_size=_HISTORY,
            tolerance_grad=tolerance,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        with torch.no_grad():
            optimizer.step(lambda: self._evaluate(rows, scale, weight, bias))  # type: ignore[no-untyped-call]
            return self._heads(scale, weight, bias)

    def _scales(self, problem: HeadProblem) -> Tensor:
        """Return the factors (F, K) from the coordinates of the search to the principal components."""
        penalties = torch.tensor(problem.penalties, dtype=torch.double) / problem.totals
        factors: Tensor = (self._variances / 2 + penalties[:, None]).rsqrt()
        return factors

    def _heads(self, scale: Tensor, weight: Tensor, bias: Tensor) -> LinearHeads:
        found = self._directions @ (scale[:, :, None] * weight)  # (F, W, C)
        return LinearHeads(found.mT.contiguous(), bias - self.mean @ found)

    def _evaluate(self, rows: "LabeledRows", scale: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the sum of a problem's objectives, each as a mean over its rows, and set the gradients."""
        fits, _, classes = weight.shape
        scaled = scale[:, :, None] * weight  # (F, K, C)
        factors = rows.from_components(scaled.transpose(0, 1).flatten(1))
        value = torch.zeros((), dtype=torch.double)
        slope = torch.zeros_like(factors)
        bias_slope = torch.zeros_like(bias)
        for chosen, turned in rows.chunks():
            logits = (turned @ factors).view(-1, fits, classes) + bias  # (n, F, C)
            losses, slopes = _losses(rows.problem, logits, chosen)
            value += losses
            slope += turned.T @ slopes.flatten(1)
            bias_slope += slopes.sum(dim=0)
        shares = torch.tensor(rows.problem.penalties, dtype=torch.double) / rows.problem.totals  # (F,)
        slope = rows.to_components(slope).view(-1, fits, classes).transpose(0, 1)  # (F, K, C)
        weight.grad = scale[:, :, None] * (slope + shares[:, None, None] * scaled)
        bias.grad = bias_slope
        value += (shares * scaled.square().sum(dim=(1, 2))).sum() / 2
        return value


class LabeledRows:
    """The rows that have a label for a problem, in chunks; where they are few, as principal components from the start.

    Args:
        features: (N, W), which may be mapped from a file.
        mean: of the features (W,).
        directions: of the principal components (W, K), each of length 1.
        problem: whose labels they are.
    """

    def __init__(self, features: Tensor, mean: Tensor, directions: Tensor, problem: HeadProblem) -> None:
        self.features, self.mean, self.problem = features, mean, problem
        self._directions = directions
        labelled = torch.nonzero(is_labelled(problem.labels))[:, 0]
        size = max(1, min(_CHUNK, _LOGITS // (len(problem.penalties) * problem.classes)))
        self._parts = torch.split(labelled, size)
        few = len(labelled) * directions.shape[1] <= _KEPT
        self._kept = [(chosen, rows @ directions) for chosen, rows in self._read()] if few else None

    def chunks(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Return the indices (n,) of each chunk's rows, and what they are apart from the mean, (n, K) or (n, W)."""
        return self._read() if self._kept is None else self._kept

    def from_components(self, factors: Tensor) -> Tensor:
        """Return the factors of what the chunks have, given those (K, F C) of the components."""
        return self._directions @ factors if self._kept is None else factors

    def to_components(self, slope: Tensor) -> Tensor:
        """Return the slope by the factors of the components (K, F C), given that by those of what the chunks have."""
        return self._directions.T @ slope if self._kept is None else slope

    def _read(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in self._parts:
            yield chosen, self.features[chosen].double() - self.mean


def _components(centered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the variances (K,) and the directions (W, K) of the principal components of some rows (N, W)."""
    count, width = centered.shape
    if count < width:  # they have N components, which are all that matters of the rows
        _, lengths, directions = torch.linalg.svd(centered, full_matrices=False)
        return lengths.square() / count, directions.T
    variances, directions = torch.linalg.eigh(centered.T @ centered / count)
    return variances.clamp(min=0), directions


def _losses(problem: HeadProblem, logits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses of some rows over all fits, each fit's as a share of its total, and its slopes."""
    fits = logits.shape[1]
    shares = 1 / problem.totals.expand(fits)  # (F,)
    weights = shares if problem.weights is None else shares * problem.weights[:, chosen].T.double()  # (n, F)
    labels = problem.labels[chosen].repeat_interleave(fits, dim=0)  # (n F,) or (n F, C)
    with torch.enable_grad():
        leaf = logits.flatten(0, 1).requires_grad_()
        losses = problem.loss(leaf, labels).view(-1, fits)
        value = (weights * losses).sum()
        (slopes,) = torch.autograd.grad(value, leaf)
    return value.detach(), slopes.view_as(logits)
