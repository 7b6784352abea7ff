import math

import torch

from polyhead.losses import task_losses
from polyhead.tasks import MISSING


def test_the_mean_runs_over_labelled_rows_only():
    logits = {"a": torch.tensor([[0.0, 0.0], [5.0, 5.0], [math.log(3), 0.0]]), "b": torch.zeros(3, 4)}
    labels = {"a": torch.tensor([0, MISSING, 0]), "b": torch.tensor([1, 2, 3])}
    losses, rows = task_losses(logits, labels)
    by_hand = [(math.log(2) + math.log(4 / 3)) / 2, math.log(4)]
    torch.testing.assert_close(losses, torch.tensor(by_hand))
    assert rows.tolist() == [2, 3]


def test_a_task_without_labels_has_loss_zero_and_gradient_zero():
    logits = torch.randn(3, 2, requires_grad=True)
    losses, rows = task_losses({"a": logits}, {"a": torch.full((3,), MISSING)})
    losses.sum().backward()
    assert losses.tolist() == [0.0]
    assert rows.tolist() == [0]
    assert logits.grad.tolist() == [[0.0, 0.0]] * 3


def test_the_loss_falls_as_the_true_logit_rises():
    labels = {"a": torch.tensor([1])}
    low, high = (task_losses({"a": torch.tensor([[0.0, x]])}, labels)[0] for x in (1.0, 2.0))
    assert high < low
