"""Solved heads: linear heads at the minimum of their loss over the embeddings of an encoder as it is.

Shapes: N rows, n rows that are judged, W units of an embedding, C classes of a task, K folds, P penalties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, log, log10, sqrt
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from polyhead.errors import ParameterError, check_parameters, is_finite
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import PerTask, Task, per_task_problems, value_for
from polyhead.training.added_classes import solve_added_classes
from polyhead.training.calibration import fit_temperature
from polyhead.training.head_problem import HeadProblem
from polyhead.training.head_solver import HeadSolver
from polyhead.training.penalty_trial import LabeledEmbeddings, PenaltyTrial

AUTO = "auto"

_RATIOS = tuple(10 ** (exponent / 2) for exponent in range(-6, 4))  # of penalties to the variance of the embeddings
_AFTER_TRAINING = 0.1  # such a ratio, of heads that are solved again
_RANDOM_LENGTH = 1 / sqrt(3)  # of the weights of a class in a head as nn.Linear makes it, whatever its width
_SPREAD = log(4)  # of the logarithm of the temperature, see fit_temperature: a strong penalty leaves small logits


@dataclass(frozen=True)
class SolvedHead:
    """How the head of a task was found.

    Args:
        task: its name.
        rows: training rows that counted.
        penalty: on half the squared norm of its weights.
        temperature: by which the logits of the minimum were divided.
        loss: mean loss of rows that were held out, after the temperature; None where the penalty was given.
    """

    task: str
    rows: int
    penalty: float
    temperature: float
    loss: float | None


@dataclass(frozen=True)
class SolvedHeads:
    r"""Sets heads to the minimum of their loss plus an L2 penalty, over embeddings that stay as they are.

    The head of a task has the weights W and biases b that minimize

    .. math:: \sum_n loss(W x_n + b, y_n) + \frac{penalty}{2} \lVert W \rVert^2

    over the task's labelled training rows, with x the embedding as the encoder gives it and the loss that training
    would minimize: class weights, label smoothing, weights of rows and scale included. See :class:`HeadSolver`.

    With ``auto`` the penalty is the one whose heads have the least loss on rows that they were not made of, and the
    logits are divided by the temperature that fits these rows. They are the validation rows of the task where it has
    200, else each of the training rows in turn. A strong penalty separates the classes of few rows best, and leaves
    logits that are far too small; so each penalty is judged after its temperature. Few rows cannot tell much: the
    penalty is the most probable one, given that its logarithm to base 10, as a share of the embeddings' variance, lies
    around 0 with a spread of 1.

    Training rows cannot judge heads over an encoder that was trained on them: all of them are right, and probabilities
    would become 0 and 1. Without enough rows of validation, heads that are solved again have a tenth of the embeddings'
    variance for a penalty, which is 10 for C of scikit-learn's on embeddings of length 1, and no temperature.

    Heads through which the encoder is trained from here on have the direction of the solution, and are no longer than
    random ones. At full length they make logits of a small change of the embedding, by up to 20 times as much: training
    is then unstable, and learns the sentences by heart (TREC-6 with lower layers frozen: 0.81 of the test, and 0.95
    from the same heads made short).

    Args:
        penalty: above 0, or by task, or ``auto``; for cross-entropy ``1 / C`` of scikit-learn's LogisticRegression.
        folds: of cross-validation, stratified by class.
        again: solve the heads once more at the end, over the encoder as training has left it.
        rows: of training, evenly spread, from which heads start that are trained further; all where there are no more,
            and of rare classes 20 in any case. On TREC-6 1,000 do as well as all 4,907.

    Raises:
        ParameterError: values out of range, all at once.
    """

    penalty: PerTask | str = AUTO
    folds: int = 5
    again: bool = False
    rows: int = 4000

    def __post_init__(self) -> None:
        given = self.penalty
        numbers = [given] if not isinstance(given, Mapping) else [*given.values()]
        allowed = given == AUTO or all(is_finite(number) and number > 0 for number in numbers)
        check_parameters(
            ("penalty", given, allowed, "a number above 0, one by task, or auto"),
            ("folds", self.folds, self.folds >= 2, "2 or more"),
            ("rows", self.rows, self.rows >= 1, "1 or more"),
        )

    def check(self, tasks: Sequence[Task], loss: object) -> None:
        """Check that the penalties are of these tasks, and that there is a loss of each row to minimize.

        Raises:
            ParameterError: they are not.
        """
        problems = []
        if isinstance(self.penalty, Mapping):
            names = [task.name for task in tasks]
            problems += per_task_problems("penalty", self.penalty, names, lambda value: value > 0, "a number above 0")
        if not hasattr(loss, "row_losses"):
            name = type(loss).__name__
            problems.append(f"{name} has no row_losses(task, logits, labels); add it, or take heads=trained")
        if problems:
            raise ParameterError("\n".join(problems))

    def solve(
        self,
        model: MultiTaskModel,
        tasks: Sequence[Task],
        loss: MultiTaskLoss,
        train: LabeledEmbeddings,
        validation: LabeledEmbeddings | None = None,
        seed: int = 0,
        seen: bool = False,
        begins: bool = False,
    ) -> list[SolvedHead]:
        """Set those heads of a model that are trained, and return how each was found.

        A head of a task without a training row stays as it is.

        Args:
            model: whose heads they are.
            tasks: in any order.
            loss: with its class weights.
            train: the training rows.
            validation: the validation rows; None where there are none.
            seed: of the training rows that are tried, where there are many.
            seen: whether the encoder was trained on the training rows.
            begins: whether the encoder is trained through these heads from here on.
        """
        solver = HeadSolver(train.embeddings)
        found, problems = [], []
        for task in tasks:
            rows = train.of(task.name)
            if not len(rows.counted) or not any(p.requires_grad for p in model.heads[task.name].parameters()):
                continue
            row_loss = partial(_scaled, loss, task.name)
            judges = None if validation is None else validation.of(task.name)
            made = self._choose(PenaltyTrial(task, row_loss, rows, judges, seed), solver, seen)
            found.append(made)
            weights = None if rows.weights is None else rows.weights[None]
            quadratic = task.kind.quadratic
            problems.append(HeadProblem(rows.labels, task.width, row_loss, [made.penalty], weights, quadratic))
        for made, heads in zip(found, solver.solve(problems) if problems else [], strict=True):
            linear = cast(nn.Linear, cast(nn.Sequential, model.heads[made.task])[-1])
            divisor = made.temperature
            if begins:  # b stays in proportion to W x
                divisor = max(divisor, float(heads.weight[0].norm(dim=1).max()) / (model.scale * _RANDOM_LENGTH))
            with torch.no_grad():
                linear.weight.copy_(heads.weight[0] / (model.scale * divisor))
                linear.bias.copy_(heads.bias[0] / divisor)
        return found

    def solve_added(
        self,
        model: MultiTaskModel,
        tasks: Sequence[Task],
        added: Mapping[str, Sequence[int]],
        loss: MultiTaskLoss,
        train: LabeledEmbeddings,
    ) -> None:
        """Set the rows of classes that heads have had added, see :func:`solve_added_classes`; the others stay.

        Args:
            model: whose heads they are.
            tasks: in any order.
            added: by task, the indices of its added classes.
            loss: with its class weights.
            train: the training rows.
        """
        for task in tasks:
            rows = train.of(task.name)
            if not added.get(task.name) or not len(rows.counted):
                continue
            unit = _unit(HeadSolver(train.embeddings))
            penalty = unit if self.penalty == AUTO else value_for(task.name, cast(PerTask, self.penalty), unit)
            row_loss = partial(_scaled, loss, task.name)
            solve_added_classes(model, task.name, added[task.name], row_loss, rows, penalty)

    def _choose(self, trial: PenaltyTrial, solver: HeadSolver, seen: bool) -> SolvedHead:
        """Choose the penalty of a task, and the temperature that goes with it."""
        task, rows = trial.task.name, len(trial.rows.counted)
        if self.penalty != AUTO:
            given = value_for(task, cast(PerTask, self.penalty), inf)
            if given != inf:
                return SolvedHead(task, rows, float(given), 1.0, None)
        unit = _unit(solver)
        if seen and not trial.is_validated:
            return SolvedHead(task, rows, _AFTER_TRAINING * unit, 1.0, None)
        if rows < 2:  # nothing can be held out
            return SolvedHead(task, rows, unit, 1.0, None)
        logits, labels = trial.held_out([ratio * unit for ratio in _RATIOS], self.folds)
        best = SolvedHead(task, rows, unit, 1.0, None)
        least = inf
        for ratio, fit in zip(_RATIOS, logits, strict=True):
            temperature, loss = _judge(trial.task, fit, labels)
            improbable = len(labels) * loss + log10(ratio) ** 2 / 2
            if improbable < least:
                least, best = improbable, SolvedHead(task, rows, ratio * unit, temperature, loss)
        return best


def _judge(task: Task, logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the temperature of single labels, 1 of other kinds, and the mean loss after it.

    Args:
        task: whose head it is.
        logits: (n, C).
        labels: targets, none of them missing.
    """
    if task.kind.fits != "temperature":
        return 1.0, task.kind.row_losses(logits, labels).mean().item()
    temperature = fit_temperature(logits, labels, _SPREAD)
    return temperature, cross_entropy(logits / temperature, labels).item()


def _unit(solver: HeadSolver) -> float:
    """Return the penalty that weighs as much as one row in a direction of all the embeddings' variance; above 0."""
    squares = solver.mean.square().sum().item() + solver.variance
    return max(solver.variance, 1e-6 * squares, sqrt(torch.finfo(torch.double).tiny))


def _scaled(loss: MultiTaskLoss, task: str, logits: Tensor, labels: Tensor) -> Tensor:
    return loss.scale[task] * loss.row_losses(task, logits, labels)
