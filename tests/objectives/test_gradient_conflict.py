import math

import pytest
import torch
from support.models import random_batch
from support.training import make_data, make_trainer

from polyhead.objectives.gradient_conflict import Conflict, gradients_at
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.objectives.weighting import Equal
from polyhead.training.module import MultiTaskTraining

TASKS = ("category", "sentiment", "topic")
ALL = torch.tensor([True, True, True])


def test_gradients_are_those_of_each_loss_at_the_embedding(model):
    batch = random_batch()
    embeddings = model.embed(batch)
    losses, _ = cross_entropy_per_task(model.classify(embeddings), batch.labels)
    for row, loss in zip(gradients_at(embeddings, losses), losses, strict=True):
        (expected,) = torch.autograd.grad(loss, embeddings, retain_graph=True)
        torch.testing.assert_close(row, expected.flatten())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_cosine_and_magnitudes_by_hand():
    conflict = Conflict(TASKS)
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, 2.0]])
    curves = conflict(gradients, ALL)
    assert {name: value.item() for name, value in curves.items()} == pytest.approx(
        {
            "conflict/category-sentiment/cosine": -1 / math.sqrt(2),
            "conflict/category-topic/cosine": 0.0,
            "conflict/sentiment-topic/cosine": 1 / math.sqrt(2),
            "conflict/category-sentiment/magnitude_similarity": 2 * math.sqrt(2) / 3,
            "conflict/category-topic/magnitude_similarity": 4 / 5,
            "conflict/sentiment-topic/magnitude_similarity": 4 * math.sqrt(2) / 6,
        }
    )


def test_the_summary_is_the_mean_over_the_steps_in_which_both_had_labels():
    conflict = Conflict(TASKS)
    conflict(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), ALL)
    conflict(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), ALL)
    conflict(torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]), torch.tensor([True, False, True]))
    summary = conflict.summary()
    assert summary["category-sentiment"] == {
        "steps": 2,
        "cosine": 0.0,
        "magnitude_similarity": 1.0,
        "conflicting_share": 0.5,
    }
    assert summary["category-topic"]["steps"] == 3
    assert summary["category-topic"]["cosine"] == pytest.approx(1 / 3)
    assert Conflict(TASKS).summary() == {}


def test_scale_does_not_change_the_cosine():
    gradients = torch.randn(3, 8)
    plain, scaled = Conflict(TASKS)(gradients, ALL), Conflict(TASKS)(gradients * 100, ALL)
    torch.testing.assert_close(plain, scaled)


@pytest.mark.parametrize(("frozen", "steps"), [([], 12), (["encoder"], 0)])
def test_training_keeps_a_summary_where_anything_shared_is_trained(tmp_path, model, tasks, frozen, steps):
    from support.training import OPTIMIZATION

    from polyhead.freezing.plans import FreezeSpec

    weighting = Equal([task.name for task in tasks])
    module = MultiTaskTraining(model, tasks, weighting, FreezeSpec(frozen), OPTIMIZATION, watch_conflict=True)
    trainer = make_trainer(tmp_path)
    trainer.fit(module, make_data(tasks))
    summary = module.conflict.summary()
    assert (summary["category-sentiment"]["steps"] if summary else 0) == steps
    assert ("conflict/category-sentiment/cosine" in trainer.logged_metrics) == bool(steps)
