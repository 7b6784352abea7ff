"""Distillation: how a teacher's answers are mixed into the losses of the labels."""

import pytest
import torch
from support.kinds import TASKS

from polyhead.errors import ParameterError
from polyhead.objectives import Distillation
from polyhead.tasks import Kind, Task

ROWS = 5
SCALE = {task.name: 1.0 + index for index, task in enumerate(TASKS)}


def random_logits(seed):
    generator = torch.Generator().manual_seed(seed)
    return {task.name: torch.randn(ROWS, task.width, generator=generator) for task in TASKS}


@pytest.fixture
def losses():
    return torch.tensor([0.5, 1.5, 2.5, 3.5])


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.0, 0.5, 0.25, 0.0])])
def test_distillation_mixes_labels_and_answers_by_its_share(losses, weights):
    ours, theirs = random_logits(1), random_logits(2)
    found = Distillation(2.0, 0.25, TASKS)(losses, ours, theirs, SCALE, weights)
    rows = torch.ones(ROWS) if weights is None else weights
    for index, task in enumerate(TASKS):
        distances = task.kind.soft_losses(ours[task.name], theirs[task.name], 2.0)
        soft = SCALE[task.name] * (distances * rows).sum() / rows.sum()
        torch.testing.assert_close(found[index], 0.75 * losses[index] + 0.25 * soft)


def test_share_of_1_does_not_look_at_the_labels(losses):
    ours, theirs = random_logits(1), random_logits(2)
    rule = Distillation(1.0, 1.0, TASKS)
    assert torch.equal(rule(losses, ours, theirs, SCALE), rule(losses * 7, ours, theirs, SCALE))


def test_task_that_the_teacher_does_not_know_keeps_its_loss(losses):
    theirs = random_logits(2)
    del theirs["tags"]
    found = Distillation(1.0, 0.5, TASKS)(losses, random_logits(1), theirs, SCALE)
    assert found[2] == losses[2]
    assert (found != losses).tolist() == [True, True, False, True]


def test_rows_that_all_weigh_nothing_have_loss_0():
    found = Distillation(1.0, 1.0, TASKS)(
        torch.zeros(4), random_logits(1), random_logits(2), SCALE, weights=torch.zeros(ROWS)
    )
    assert found.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.0, 0.5), "temperature: 0.0 given; it must be above 0"),
        ((float("inf"), 0.5), "temperature: inf given"),
        ((1.0, 0.0), "share: 0.0 given; it must be above 0, up to 1"),
        ((1.0, 1.5), "share: 1.5 given"),
    ],
)
def test_distillation_refuses_values_out_of_range(given, message):
    with pytest.raises(ParameterError, match=message):
        Distillation(*given, TASKS)


def test_distillation_refuses_kinds_without_soft_losses():
    class Odd(Kind):
        name = "odd"

        def check_labels(self, task, labels):
            pass

    with pytest.raises(ParameterError, match=r"one \(odd\): tasks of this kind learn no teacher's answers"):
        Distillation(1.0, 0.5, [*TASKS, Task("one", (), Odd())])
