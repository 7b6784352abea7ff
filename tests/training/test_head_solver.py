"""Solved heads against scikit-learn, and by the slopes that a minimum has."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from polyhead.tasks import MISSING
from polyhead.training.head_solver import HeadProblem, HeadSolver

WIDTH, ROWS = 24, 300


def plain(logits, labels):
    return cross_entropy(logits, labels, ignore_index=MISSING, reduction="none")


def make_rows(classes, rows=ROWS, seed=0):
    """Make embeddings of unequal spread around a mean that is not 0, and classes that a linear head can guess."""
    dice = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, WIDTH, generator=dice) * torch.logspace(0, -1.5, WIDTH) + 0.3
    logits = embeddings @ torch.randn(WIDTH, classes, generator=dice)
    labels = torch.multinomial((2 * logits).softmax(dim=1), 1, generator=dice)[:, 0]
    return embeddings, labels


@pytest.mark.parametrize("rows", [ROWS, WIDTH - 4])
@pytest.mark.parametrize("penalty", [10.0, 1.0, 0.1])
@pytest.mark.parametrize("classes", [3, 6])
def test_heads_are_those_of_scikit_learn(classes, penalty, rows):
    embeddings, labels = make_rows(classes, rows)
    labels[:classes] = torch.arange(classes)  # each class is there
    (heads,) = HeadSolver(embeddings).solve([HeadProblem(labels, classes, plain, [penalty])])
    theirs = LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=10_000).fit(embeddings.double(), labels)
    np.testing.assert_allclose(heads.weight[0], theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(heads.bias[0], theirs.intercept_, atol=1e-3)
    found = (embeddings.double() @ heads.weight[0].T + heads.bias[0]).softmax(dim=1)
    np.testing.assert_allclose(found, theirs.predict_proba(embeddings.double()), atol=1e-4)


def test_two_classes_are_those_of_scikit_learn_at_half_the_penalty():
    embeddings, labels = make_rows(2)
    (heads,) = HeadSolver(embeddings).solve([HeadProblem(labels, 2, plain, [1.0])])
    theirs = LogisticRegression(C=2.0, tol=1e-9, max_iter=10_000).fit(embeddings.double(), labels)
    found = (embeddings.double() @ heads.weight[0].T + heads.bias[0]).softmax(dim=1)
    np.testing.assert_allclose(found, theirs.predict_proba(embeddings.double()), atol=1e-4)


def test_weights_of_rows_are_those_of_scikit_learn_and_missing_labels_do_not_count():
    embeddings, labels = make_rows(3)
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(1)) * 3
    labels[::7] = MISSING
    known = labels != MISSING
    problem = HeadProblem(labels, 3, plain, [0.5], weights[None])
    (heads,) = HeadSolver(embeddings).solve([problem])
    theirs = LogisticRegression(C=2.0, tol=1e-9, max_iter=10_000)
    theirs.fit(embeddings[known].double(), labels[known], sample_weight=weights[known].numpy())
    np.testing.assert_allclose(heads.weight[0], theirs.coef_, atol=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_heads_have_no_slope_left(smoothing):
    embeddings, labels = make_rows(4)

    def loss(logits, labels):
        return cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    (heads,) = HeadSolver(embeddings).solve([HeadProblem(labels, 4, loss, [0.3])])
    weight, bias = heads.weight[0].requires_grad_(), heads.bias[0].requires_grad_()
    total = loss(embeddings.double() @ weight.T + bias, labels).sum() + 0.3 / 2 * weight.square().sum()
    total.backward()
    assert weight.grad.abs().max() < 1e-3
    assert bias.grad.abs().max() < 1e-3


@pytest.mark.slow
def test_fits_and_tasks_that_are_solved_together_are_those_solved_alone():
    embeddings, labels = make_rows(3)
    _, others = make_rows(5, seed=2)
    others = torch.where(torch.arange(ROWS) % 2 == 0, others, MISSING)
    solver = HeadSolver(embeddings)
    kept = (torch.arange(ROWS) % 3 != torch.arange(3)[:, None]).double()
    problems = [HeadProblem(labels, 3, plain, [1.0, 2.0, 0.5], kept), HeadProblem(others, 5, plain, [0.7])]
    together = solver.solve(problems)
    for fit, penalty in enumerate([1.0, 2.0, 0.5]):
        (alone,) = solver.solve([HeadProblem(labels, 3, plain, [penalty], kept[fit : fit + 1])])
        torch.testing.assert_close(together[0].weight[fit], alone.weight[0], rtol=1e-4, atol=1e-4)
    (alone,) = solver.solve([problems[1]])
    torch.testing.assert_close(together[1].weight, alone.weight, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"_CHUNK": 7}, {"_CHUNK": 7, "_KEPT": 0}])
def test_heads_do_not_depend_on_the_chunks_in_which_rows_are_read(monkeypatch, limits):
    embeddings, labels = make_rows(3)
    problem = HeadProblem(labels, 3, plain, [1.0])
    (whole,) = HeadSolver(embeddings).solve([problem])
    for name, limit in limits.items():
        monkeypatch.setattr(f"polyhead.training.head_solver.{name}", limit)
    (chunked,) = HeadSolver(embeddings).solve([problem])
    torch.testing.assert_close(whole.weight, chunked.weight, rtol=1e-6, atol=1e-6)


def test_heads_are_the_same_each_time_and_take_no_random_numbers():
    embeddings, labels = make_rows(3)
    before = torch.random.get_rng_state()
    first, second = (HeadSolver(embeddings).solve([HeadProblem(labels, 3, plain, [1.0])])[0] for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_more_directions_than_rows_and_equal_rows_have_a_minimum():
    embeddings, labels = make_rows(2, rows=8)
    (heads,) = HeadSolver(embeddings).solve([HeadProblem(labels, 2, plain, [1e-3])])
    assert heads.weight.isfinite().all()
    same = torch.ones(6, WIDTH)
    (heads,) = HeadSolver(same).solve([HeadProblem(torch.tensor([0, 0, 0, 0, 1, 1]), 2, plain, [1.0])])
    shares = (same.double() @ heads.weight[0].T + heads.bias[0]).softmax(dim=1)[0]
    torch.testing.assert_close(shares, torch.tensor([2 / 3, 1 / 3], dtype=torch.double), rtol=1e-4, atol=1e-4)
