import math

import pytest
import torch
from support.models import random_batch
from support.training import OPTIMIZATION, make_data, make_trainer

from polyhead.freezing.plans import FreezeSpec
from polyhead.objectives.gradient_conflict import Conflict, gradients_at
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.objectives.weighting import Equal
from polyhead.training.module import MultiTaskTraining

TASKS = ("category", "sentiment", "topic")
ALL = torch.tensor([True, True, True])
PAIRS = ("category-sentiment", "category-topic", "sentiment-topic")


def test_gradients_are_those_of_each_loss_at_the_embedding(model):
    batch = random_batch()
    embeddings = model.embed(batch)
    losses, _ = cross_entropy_per_task(model.classify(embeddings), batch.labels)
    for row, loss in zip(gradients_at(embeddings, losses), losses, strict=True):
        (expected,) = torch.autograd.grad(loss, embeddings, retain_graph=True)
        torch.testing.assert_close(row, expected.flatten())
    assert all(parameter.grad is None for parameter in model.parameters())
    losses.sum().backward()  # the graph is still there


def test_gradients_are_in_single_precision_whatever_the_embeddings_are():
    embeddings = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    assert gradients_at(embeddings, torch.stack([embeddings.sum()])).dtype == torch.float32


def test_conflict_by_hand():
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, 2.0]])
    curves = Conflict(TASKS)(gradients, ALL)
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


def test_conflict_summary_is_the_mean_over_the_steps():
    conflict = Conflict(TASKS)
    conflict(torch.tensor([[1.0, 0.0], [-3.0, 0.0], [0.0, 1.0]]), ALL)
    conflict(torch.tensor([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0]]), ALL)
    expected = {
        "category-sentiment": (2, (-1 + 0.6) / 2, (0.6 + 1.0) / 2, 0.5),
        "category-topic": (2, (0.0 + 1.0) / 2, 1.0, 0.0),
        "sentiment-topic": (2, (0.0 + 0.6) / 2, (0.6 + 1.0) / 2, 0.0),
    }
    names = ("steps", "cosine", "magnitude_similarity", "conflicting_share")
    for pair, values in conflict.summary().items():
        assert tuple(values) == names
        assert tuple(values.values()) == pytest.approx(expected[pair])
    assert conflict.summary().keys() == expected.keys()


@pytest.mark.parametrize("absent", [0, 1, 2])
@pytest.mark.parametrize("why", ["no label", "no gradient"])
def test_conflict_skips_the_pairs_of_a_task_without_label_or_gradient(absent, why):
    conflict = Conflict(TASKS)
    gradients = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    labelled = ALL.clone()
    if why == "no label":
        labelled[absent] = False
    else:
        gradients[absent] = 0.0
    curves = conflict(gradients, labelled)
    for pair in PAIRS:
        whole = TASKS[absent] not in pair.split("-")
        assert (pair in conflict.summary()) == whole
        assert curves[f"conflict/{pair}/cosine"].isfinite() == whole
        assert curves[f"conflict/{pair}/magnitude_similarity"].isfinite() == whole
    assert conflict.sums.isfinite().all()


def test_conflict_counts_later_steps_after_a_skipped_one():
    conflict = Conflict(TASKS)
    conflict(torch.eye(3), torch.tensor([True, False, True]))
    conflict(torch.eye(3), ALL)
    assert {pair: values["steps"] for pair, values in conflict.summary().items()} == dict.fromkeys(PAIRS, 1) | {
        "category-topic": 2
    }
    assert Conflict(TASKS).summary() == {}


def test_conflict_cosine_does_not_see_the_scale():
    gradients = torch.randn(3, 8)
    plain, scaled = Conflict(TASKS)(gradients, ALL), Conflict(TASKS)(gradients * 100, ALL)
    torch.testing.assert_close(plain, scaled)


def test_conflict_is_computed_in_full_precision_under_autocast():
    gradients = torch.randn(3, 1000)
    plain = Conflict(TASKS)(gradients, ALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = Conflict(TASKS)(gradients, ALL)
    torch.testing.assert_close(halved, plain, rtol=0, atol=0)


def test_conflict_saves_its_sums_alone_in_double_precision():
    conflict = Conflict(TASKS)
    conflict(torch.eye(3), ALL)
    (name, sums), *rest = conflict.state_dict().items()
    assert (name, sums.dtype, rest) == ("sums", torch.float64, [])
    other = Conflict(TASKS)
    other.load_state_dict(conflict.state_dict())
    assert other.summary() == conflict.summary()


@pytest.mark.parametrize(("frozen", "steps"), [([], 12), (["encoder"], 0)])
def test_conflict_is_watched_where_anything_shared_is_trained(tmp_path, model, tasks, frozen, steps):
    weighting = Equal([task.name for task in tasks])
    module = MultiTaskTraining(model, tasks, weighting, FreezeSpec(frozen), OPTIMIZATION, watch_conflict=True)
    trainer = make_trainer(tmp_path)
    trainer.fit(module, make_data(tasks))
    summary = module.conflict.summary()
    assert (summary["category-sentiment"]["steps"] if summary else 0) == steps
    assert ("conflict/category-sentiment/cosine" in trainer.logged_metrics) == bool(steps)
