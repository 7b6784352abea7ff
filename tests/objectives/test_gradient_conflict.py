import math

import pytest
import torch
from support.models import random_batch
from support.training import OPTIMIZATION, make_data, make_trainer

from polyhead.freezing.plans import FreezeSpec
from polyhead.objectives.gradient_conflict import Conflict, copy_per_task, gradients_at
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.objectives.weighting import Equal
from polyhead.training.module import MultiTaskTraining

TASKS = ("category", "sentiment", "topic")
ALL = torch.tensor([True, True, True])
PAIRS = ("category-sentiment", "category-topic", "sentiment-topic")


def test_gradients_are_those_of_each_loss_at_the_embedding(model):
    batch = random_batch()
    embeddings = model.embed(batch)
    copies = copy_per_task(embeddings, len(model.heads))
    logits = {name: head(copy) for (name, head), copy in zip(model.heads.items(), copies, strict=True)}
    losses, _ = cross_entropy_per_task(logits, batch.labels)
    for row, loss in zip(gradients_at(copies, losses), losses, strict=True):
        (expected,) = torch.autograd.grad(loss, embeddings, retain_graph=True)
        torch.testing.assert_close(row, expected.flatten())
    assert all(parameter.grad is None for parameter in model.parameters())
    losses.sum().backward()  # the graph is still there


def test_gradients_are_in_single_precision_whatever_the_embeddings_are():
    copies = copy_per_task(torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True), 1)
    assert gradients_at(copies, copies.sum(dim=(1, 2))).dtype == torch.float32


def test_conflict_of_many_tasks_is_a_summary_that_names_the_worst_pairs():
    tasks = [f"t{number}" for number in range(30)]
    conflict = Conflict(tasks)
    gradients = torch.randn(30, 64, generator=torch.Generator().manual_seed(0))
    gradients[7] = -gradients[3]
    labelled = torch.ones(30, dtype=torch.bool)
    labelled[9] = False
    curves = conflict(gradients, labelled)
    rows = gradients[labelled].double()
    units = rows / rows.norm(dim=1, keepdim=True)
    cosines = (units @ units.T)[torch.ones(29, 29).triu(1).bool()]
    expected = {
        "mean_cosine": cosines.mean(),
        "lowest_cosine": cosines.min(),
        "conflicting_share": (cosines < 0).double().mean(),
    }
    assert {name: value.item() for name, value in curves.items()} == pytest.approx(
        {f"conflict/{name}": value.item() for name, value in expected.items()}, abs=1e-6
    )
    summary = conflict.summary()
    assert list(summary)[:2] == ["all 406 pairs", "t3-t7"]
    assert len(summary) == 6
    assert summary["all 406 pairs"]["cosine"] == pytest.approx(cosines.mean().item(), abs=1e-6)
    assert summary["t3-t7"]["cosine"] == pytest.approx(-1)
    assert all(value.isnan() for value in conflict(gradients, torch.zeros(30, dtype=torch.bool)).values())


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


@pytest.mark.slow
@pytest.mark.parametrize(("frozen", "steps"), [([], 12), (["encoder"], 0)])
def test_conflict_is_watched_where_anything_shared_is_trained(tmp_path, model, tasks, frozen, steps):
    weighting = Equal([task.name for task in tasks])
    module = MultiTaskTraining(model, tasks, weighting, FreezeSpec(frozen), OPTIMIZATION, watch_conflict=True)
    trainer = make_trainer(tmp_path)
    trainer.fit(module, make_data(tasks))
    summary = module.conflict.summary()
    assert (summary["category-sentiment"]["steps"] if summary else 0) == steps
    assert ("conflict/category-sentiment/cosine" in trainer.logged_metrics) == bool(steps)
