"""Solved heads of other kinds than single labels are those of scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import MISSING, Task, make_kind
from polyhead.training.head_problem import HeadProblem
from polyhead.training.head_solver import HeadSolver

FEATURES = torch.randn(120, 6, generator=torch.Generator().manual_seed(1)) + 0.5


def solve(task, labels, penalty, weights=None, scale=1.0):
    loss = MultiTaskLoss(0.0, 0.0, 0.0, [task], scale=scale)

    def rows(logits, targets):
        return loss.scale[task.name] * loss.row_losses(task.name, logits, targets)

    problem = HeadProblem(labels, task.width, rows, [penalty], weights, task.kind.quadratic)
    (heads,) = HeadSolver(FEATURES).solve([problem], tolerance=1e-9)
    return heads.weight[0].numpy(), heads.bias[0].numpy()


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_solved_number_is_ridge_regression(scale):
    task = Task("stars", (), make_kind("stars", "number", {"mean": 0.0, "spread": 1.0}))
    labels = (FEATURES @ torch.arange(6.0) + torch.randn(120)).double()
    labels[::9] = float("nan")
    weights = torch.rand(1, 120).double()
    known = ~labels.isnan()
    reference = Ridge(alpha=3.0 / (2 * scale))
    reference.fit(FEATURES[known].double(), labels[known], sample_weight=weights[0, known])
    weight, bias = solve(task, labels, 3.0, weights, scale)
    np.testing.assert_allclose(weight[0], reference.coef_, rtol=1e-6, atol=1e-8)
    assert bias[0] == pytest.approx(reference.intercept_, rel=1e-6)


def test_solved_multi_label_is_a_logistic_regression_for_each_label():
    task = Task("tags", ("a", "b", "c"), make_kind("tags", "multi_label", {}))
    labels = (FEATURES[:, :3] + torch.randn(120, 3) > 0.5).long()
    labels[::7] = MISSING
    known = labels[:, 0] != MISSING
    weight, bias = solve(task, labels, 0.5)
    for label in range(3):
        # The loss of a row is the mean over three labels.
        reference = LogisticRegression(C=1 / (3 * 0.5), tol=1e-10, max_iter=1000).fit(
            FEATURES[known], labels[known, label]
        )
        np.testing.assert_allclose(weight[label], reference.coef_[0], rtol=1e-3, atol=1e-4)
        assert bias[label] == pytest.approx(reference.intercept_[0], rel=1e-3, abs=1e-4)


def test_solved_ordinal_is_a_logistic_regression_for_each_step_on_the_rows_that_reach_it():
    task = Task("grade", ("1", "2", "3"), make_kind("grade", "ordinal", {}))
    labels = ((FEATURES[:, 0] + torch.randn(120)) * 2).clamp(0, 2).long()
    weight, bias = solve(task, labels, 0.5)
    for step in range(2):
        rows = labels >= step
        reference = LogisticRegression(C=1 / 0.5, tol=1e-10, max_iter=1000).fit(FEATURES[rows], labels[rows] > step)
        np.testing.assert_allclose(weight[step], reference.coef_[0], rtol=1e-3, atol=1e-4)
        assert bias[step] == pytest.approx(reference.intercept_[0], rel=1e-3, abs=1e-4)
