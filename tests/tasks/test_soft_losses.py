"""Soft losses of all kinds: 0 where student and teacher say the same, and the divergences that papers define."""

import numpy as np
import pytest
import torch
from support.kinds import TASKS
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from polyhead.tasks import make_kind

BY_KIND = {task.kind.name: task for task in TASKS}
ROWS = 6


def logits_of(task, seed):
    return torch.randn(ROWS, task.width, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind.name)
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_soft_losses_are_0_where_both_say_the_same_alone(task, temperature):
    ours, theirs = logits_of(task, 1), logits_of(task, 2)
    same = task.kind.soft_losses(theirs.clone(), theirs, temperature)
    other = task.kind.soft_losses(ours, theirs, temperature)
    assert same.shape == other.shape == (ROWS,)
    torch.testing.assert_close(same, torch.zeros(ROWS), atol=1e-5, rtol=0)
    assert (other > 1e-3).all()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind.name)
def test_soft_losses_of_half_precision_are_those_of_its_numbers(task):
    ours, theirs = logits_of(task, 1).bfloat16(), logits_of(task, 2)
    found = task.kind.soft_losses(ours, theirs, 2.0)
    torch.testing.assert_close(found, task.kind.soft_losses(ours.float(), theirs, 2.0))


def gradient(loss, logits):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits).sum(), logits)[0]


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_single_labels_have_the_gradient_of_soft_targets(temperature):
    """Hinton et al. 2015: cross-entropy with soft targets at the temperature, times its square."""
    task = BY_KIND["single_label"]
    ours, theirs = logits_of(task, 1), logits_of(task, 2)
    targets = (theirs / temperature).softmax(dim=1)
    expected = gradient(lambda z: temperature**2 * cross_entropy(z / temperature, targets, reduction="none"), ours)
    found = gradient(lambda z: task.kind.soft_losses(z, theirs, temperature), ours)
    torch.testing.assert_close(found, expected)


def test_several_labels_have_the_gradient_of_soft_targets():
    task = BY_KIND["multi_label"]
    ours, theirs = logits_of(task, 1), logits_of(task, 2)

    def reference(logits):
        return binary_cross_entropy_with_logits(logits, theirs.sigmoid(), reduction="none").mean(dim=1)

    torch.testing.assert_close(
        gradient(lambda z: task.kind.soft_losses(z, theirs, 1.0), ours), gradient(reference, ours)
    )


def test_ordered_classes_have_the_divergence_of_their_distributions():
    task = BY_KIND["ordinal"]
    ours, theirs = logits_of(task, 1), logits_of(task, 2)
    p, q = (task.kind.outputs(logits.double().numpy(), {}) for logits in (theirs, ours))
    expected = (p * (np.log(p) - np.log(q))).sum(axis=1)
    found = task.kind.soft_losses(ours, theirs, 1.0)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_numbers_have_the_squared_gap_in_spreads():
    task = BY_KIND["number"]
    ours, theirs = logits_of(task, 1), logits_of(task, 2)
    torch.testing.assert_close(task.kind.soft_losses(ours, theirs, 5.0), (ours - theirs)[:, 0] ** 2)


def test_number_of_a_teacher_is_the_same_number_in_another_unit():
    ours = make_kind("stars", "number", {"mean": 10.0, "spread": 4.0})
    theirs = make_kind("stars", "number", {"mean": 3.0, "spread": 0.5})
    logits = torch.tensor([[2.0], [-1.0]])  # 4 and 2.5
    moved = ours.from_teacher(theirs, logits)
    np.testing.assert_allclose(ours.outputs(moved.numpy(), {}), [4.0, 2.5], rtol=1e-6)
