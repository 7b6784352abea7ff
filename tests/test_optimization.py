from itertools import pairwise

import pytest
import torch

from polyhead.errors import UserError
from polyhead.freezing import Freezing
from polyhead.optimization import Optimization, linear_schedule, prove_coverage
from polyhead.weighting import Equal, Uncertainty

SETTINGS = {
    "encoder_lr": 1e-4,
    "head_lr": 1e-3,
    "weight_decay": 0.01,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "warmup": 0.1,
}
TASKS = ("category", "sentiment")


def ids(parameters):
    return [id(p) for p in parameters]


@pytest.mark.parametrize(
    "frozen",
    [[], ["encoder"], ["heads.category"], ["encoder.embeddings", "encoder.layers[:2]"], ["encoder", "heads.sentiment"]],
)
@pytest.mark.parametrize("weighting", [Equal, Uncertainty])
def test_groups_hold_each_trainable_parameter_once_and_no_frozen_one(model, frozen, weighting):
    Freezing(frozen).apply(model)
    rule = weighting(TASKS)
    optimizer, _ = Optimization(**SETTINGS).build(model, rule, steps=10, fused=True)
    grouped = ids(p for group in optimizer.param_groups for p in group["params"])
    trainable = ids(p for p in [*model.parameters(), *rule.parameters()] if p.requires_grad)
    assert sorted(grouped) == sorted(trainable)


def test_equal_values_are_not_taken_for_the_same_parameter(model):
    for parameter in model.parameters():
        parameter.data.zero_()
    groups = Optimization(**SETTINGS).parameter_groups(model, Equal(TASKS))
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_rates_and_decay_by_part(model):
    groups = {group["name"]: group for group in Optimization(**SETTINGS).parameter_groups(model, Uncertainty(TASKS))}
    assert {name: group["lr"] for name, group in groups.items()} == {
        "encoder": 1e-4,
        "encoder.no_decay": 1e-4,
        "heads.category": 1e-3,
        "heads.category.no_decay": 1e-3,
        "heads.sentiment": 1e-3,
        "heads.sentiment.no_decay": 1e-3,
        "weighting": 1e-3,
    }
    for name, group in groups.items():
        undecayed = name.endswith("no_decay") or name == "weighting"
        assert group["weight_decay"] == (0.0 if undecayed else 0.01)
        assert all((p.ndim <= 1) == undecayed for p in group["params"])


@pytest.mark.parametrize("fault", ["missing", "twice", "frozen"])
def test_wrong_groups_are_found(fault):
    layer = torch.nn.Linear(2, 2)
    params = {
        "missing": [layer.weight],
        "twice": [layer.weight, layer.bias, layer.bias],
        "frozen": list(layer.parameters()),
    }
    if fault == "frozen":
        layer.bias.requires_grad_(False)
    with pytest.raises(RuntimeError, match="optimizer groups"):
        prove_coverage([{"params": params[fault]}], [layer])


def test_schedule_rises_then_falls_and_wastes_no_step():
    factors = [linear_schedule(step, steps=20, warmup=0.2) for step in range(20)]
    assert factors[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factors[4] == 1.0
    assert all(earlier > later for earlier, later in pairwise(factors[4:]))
    assert 0 < factors[-1] == pytest.approx(1 / 16)
    assert linear_schedule(20, 20, 0.2) == 0


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_schedule_at_its_bounds(warmup):
    assert all(0 < linear_schedule(step, 5, warmup) <= 1 for step in range(5))


def test_all_wrong_values_are_told_at_once():
    with pytest.raises(UserError) as caught:
        Optimization(encoder_lr=-1.0, head_lr=0.0, weight_decay=-1.0, betas=(0.9,), eps=0.0, warmup=2.0)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        f"optimizer.{name}" for name in ("encoder_lr", "head_lr", "weight_decay", "betas", "eps", "warmup")
    ]
