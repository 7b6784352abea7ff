from itertools import pairwise

import pytest
import torch

from polyhead.errors import UserError
from polyhead.freezing.plans import FreezeSpec, Stage
from polyhead.objectives.weighting import Equal, Uncertainty
from polyhead.training.optimizer import Optimization, linear_schedule, lr_multiplier, prove_coverage

SETTINGS = {
    "encoder_lr": 1e-4,
    "head_lr": 1e-3,
    "layer_decay": 1.0,
    "weight_decay": 0.01,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "warmup": 0.1,
}
TASKS = ("category", "sentiment")


WHOLE = (Stage(0, FreezeSpec([])),)


def named_groups(model, weighting, stages, **settings):
    groups = Optimization(**SETTINGS | settings).parameter_groups(model, weighting, stages)
    named = {group["name"]: group for group in groups}
    assert len(named) == len(groups)  # Lightning refuses to log rates of groups with one name
    return named


def ids(parameters):
    return [id(p) for p in parameters]


@pytest.mark.parametrize(
    "frozen",
    [[], ["encoder"], ["heads.category"], ["encoder.embeddings", "encoder.layers[:2]"], ["encoder", "heads.sentiment"]],
)
@pytest.mark.parametrize("weighting", [Equal, Uncertainty])
def test_groups_hold_each_trainable_parameter_once_and_no_frozen_one(model, frozen, weighting):
    FreezeSpec(frozen).apply(model)
    rule = weighting(TASKS)
    stages = FreezeSpec(frozen).stages(model)
    optimizer, _ = Optimization(**SETTINGS).build(model, rule, stages, steps=10, steps_per_epoch=5, fused=True)
    grouped = ids(p for group in optimizer.param_groups for p in group["params"])
    trainable = ids(p for p in [*model.parameters(), *rule.parameters()] if p.requires_grad)
    assert sorted(grouped) == sorted(trainable)


def test_equal_values_are_not_taken_for_the_same_parameter(model):
    for parameter in model.parameters():
        parameter.data.zero_()
    groups = Optimization(**SETTINGS).parameter_groups(model, Equal(TASKS), WHOLE)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_rates_and_decay_by_part(model):
    groups = named_groups(model, Uncertainty(TASKS), WHOLE)
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
    frozen = {id(layer.bias)} if fault == "frozen" else set()
    with pytest.raises(RuntimeError, match="optimizer groups"):
        prove_coverage([{"params": params[fault]}], [layer], frozen)


def test_layer_decay_lowers_the_rate_from_layer_to_layer(model):
    groups = named_groups(model, Equal(TASKS), WHOLE, layer_decay=0.5)
    rates = {name: group["lr"] for name, group in groups.items() if "no_decay" not in name}
    assert rates == {
        "encoder.embeddings": 1e-4 / 8,
        "encoder.layers[0]": 1e-4 / 4,
        "encoder.layers[1]": 1e-4 / 2,
        "encoder.layers[2]": 1e-4,
        "heads.category": 1e-3,
        "heads.sentiment": 1e-3,
    }


def test_a_group_for_each_set_of_stages_with_a_name_of_its_own(model):
    stages = [
        Stage(0, FreezeSpec(["encoder"])),
        Stage(1, FreezeSpec(["encoder"], ["encoder.biases"])),
        Stage(2, FreezeSpec(["encoder"], ["encoder.biases", "encoder.norms"])),
        Stage(3, FreezeSpec([])),
    ]
    groups = named_groups(model, Equal(TASKS), stages)
    trained = {name: group["trained"] for name, group in groups.items() if name.startswith("encoder")}
    norms = sorted([trained.pop("encoder.no_decay"), trained.pop("encoder.no_decay#2")])
    assert norms == [(False, False, True, True), (False, True, True, True)]  # their weights, and all biases
    assert trained == {"encoder": (False, False, False, True)}
    assert groups["heads.category"]["trained"] == (True, True, True, True)


def factors(stages, trained, steps=30, per_epoch=10, warmup=0.1):
    starts = [stage.epoch * per_epoch for stage in stages]
    return [lr_multiplier(stages, starts, trained, steps, warmup, step) for step in range(steps)]


def test_without_stages_the_rate_is_the_schedule():
    assert factors(WHOLE, [True]) == [linear_schedule(step, 30, 0.1) for step in range(30)]


def test_what_thaws_warms_up_while_the_rest_goes_on():
    stages = [Stage(0, FreezeSpec(["encoder"])), Stage(1, FreezeSpec([]))]
    head, encoder = factors(stages, [True, True]), factors(stages, [False, True])
    assert head == [linear_schedule(step, 30, 0.1) for step in range(30)]
    assert encoder[:10] == [0.0] * 10
    assert encoder[10:13] == pytest.approx([head[10] / 4, head[11] / 2, head[12] * 3 / 4])
    assert encoder[13:] == head[13:]


def test_a_restart_begins_a_schedule_of_its_own_with_its_own_scale():
    stages = [Stage(0, FreezeSpec(["encoder"])), Stage(1, FreezeSpec([]), lr_scale=0.5, restart=True)]
    head, encoder = factors(stages, [True, True]), factors(stages, [False, True])
    assert head[:10] == [linear_schedule(step, 10, 0.1) for step in range(10)]
    assert head[10:] == [0.5 * linear_schedule(step, 20, 0.1) for step in range(20)]
    assert encoder == [0.0] * 10 + head[10:]


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
        Optimization(
            encoder_lr=-1.0, head_lr=0.0, layer_decay=1.5, weight_decay=-1.0, betas=(0.9,), eps=0.0, warmup=2.0
        )
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        f"optimizer.{name}"
        for name in ("encoder_lr", "head_lr", "layer_decay", "weight_decay", "betas", "eps", "warmup")
    ]
