import pytest
import torch
from support.models import random_batch

from polyhead.errors import ParameterError
from polyhead.freezing.plans import FreezeSpec, Stage
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.objectives.weighting import Equal, Uncertainty
from polyhead.training.lr_schedule import linear_schedule
from polyhead.training.optimizer import Optimization, prove_coverage

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
ONE_STAGE = (Stage(0, FreezeSpec([])),)


def named_groups(model, weighting, stages, **settings):
    groups = Optimization(**SETTINGS | settings).parameter_groups(model, weighting, stages)
    named = {group["name"]: group for group in groups}
    assert len(named) == len(groups)  # Lightning refuses to log rates of groups with one name
    return named


def ids(parameters):
    return [id(p) for p in parameters]


@pytest.mark.parametrize(
    "plan",
    [
        FreezeSpec([]),
        FreezeSpec(["encoder"]),
        FreezeSpec(["heads.category"]),
        FreezeSpec(["encoder.embeddings", "encoder.layers[:2]"]),
        FreezeSpec(["encoder", "heads.sentiment"]),
        FreezeSpec(["encoder"], ["encoder.biases"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("weighting", [Equal, Uncertainty])
def test_groups_hold_each_trainable_parameter_once_and_no_frozen_one(model, plan, weighting):
    plan.apply(model)
    rule = weighting(TASKS)
    stages = plan.stages(model)
    optimizer, _ = Optimization(**SETTINGS).build(model, rule, stages, steps=10, steps_per_epoch=5, fused=True)
    grouped = ids(p for group in optimizer.param_groups for p in group["params"])
    trainable = ids(p for p in [*model.parameters(), *rule.parameters()] if p.requires_grad)
    assert sorted(grouped) == sorted(trainable)


def test_groups_tell_equal_values_from_the_same_parameter(model):
    for parameter in model.parameters():
        parameter.data.zero_()
    groups = Optimization(**SETTINGS).parameter_groups(model, Equal(TASKS), ONE_STAGE)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_groups_have_rates_and_decay_by_part(model):
    groups = named_groups(model, Uncertainty(TASKS), ONE_STAGE)
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
        assert group["trained"] == (True,)


def test_groups_hold_the_parameters_of_their_part(model):
    groups = named_groups(model, Uncertainty(TASKS), ONE_STAGE)
    for task in TASKS:
        linear = model.heads[task][1]
        assert ids(groups[f"heads.{task}"]["params"]) == [id(linear.weight)]
        assert ids(groups[f"heads.{task}.no_decay"]["params"]) == [id(linear.bias)]


def test_groups_without_weight_decay_are_one_per_part(model):
    groups = named_groups(model, Equal(TASKS), ONE_STAGE, weight_decay=0.0)
    assert list(groups) == ["encoder.no_decay", "heads.category.no_decay", "heads.sentiment.no_decay"]


@pytest.mark.parametrize("fault", ["missing", "twice", "frozen"])
def test_prove_coverage_finds_wrong_groups(fault):
    layer = torch.nn.Linear(2, 2)
    params = {
        "missing": [layer.weight],
        "twice": [layer.weight, layer.bias, layer.bias, layer.weight],
        "frozen": list(layer.parameters()),
    }
    message = {
        "missing": "optimizer groups lack 1 trainable parameters and hold 0 frozen ones",
        "twice": "2 parameters stand in two optimizer groups",
        "frozen": "optimizer groups lack 0 trainable parameters and hold 1 frozen ones",
    }
    frozen = {id(layer.bias)} if fault == "frozen" else set()
    with pytest.raises(RuntimeError) as caught:
        prove_coverage([{"params": params[fault]}], [layer], frozen)
    assert str(caught.value) == message[fault]


def test_prove_coverage_lets_right_groups_pass():
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    groups = [{"params": [first.weight, second.bias]}, {"params": [second.weight]}]
    prove_coverage(groups, [first, second], {id(first.bias)})


def test_layer_decay_lowers_the_rate_from_layer_to_layer(model):
    groups = named_groups(model, Equal(TASKS), ONE_STAGE, layer_decay=0.5)
    rates = {name: group["lr"] for name, group in groups.items() if "no_decay" not in name}
    assert rates == {
        "encoder.embeddings": 1e-4 / 8,
        "encoder.layers[0]": 1e-4 / 4,
        "encoder.layers[1]": 1e-4 / 2,
        "encoder.layers[2]": 1e-4,
        "heads.category": 1e-3,
        "heads.sentiment": 1e-3,
    }


def test_peak_lr_of_what_is_above_the_last_layer_is_that_layers(make_encoder, tasks):
    model = MultiTaskModel(make_encoder("modernbert"), tasks, dropout=0.1)
    assert "encoder.top" in layer_groups(model)
    optimization = Optimization(**SETTINGS | {"layer_decay": 0.5})
    assert optimization.peak_lr(model, "encoder.top") == optimization.peak_lr(model, "encoder.layers[2]") == 1e-4


def test_groups_are_named_after_the_layers_that_they_hold_some_of(model):
    plans = {
        "encoder.layers[2]": ["encoder.embeddings", "encoder.layers[:2]"],
        "encoder.layers[1]..layers[2]": ["encoder.embeddings", "encoder.layers[0]"],
        "encoder.embeddings..layers[1]": ["encoder.layers[2]"],
        "encoder.embeddings": ["encoder.layers"],
        "encoder": [],
    }
    for name, frozen in plans.items():
        groups = named_groups(model, Equal(TASKS), FreezeSpec(frozen).stages(model))
        encoder = [group for group in groups if group.startswith("encoder")]
        assert encoder == [name, f"{name}.no_decay"]


def test_groups_are_named_after_layers_of_which_they_hold_one_parameter(model):
    layers = model.encoder.layers
    trained = ids([layers[0].output.dense.weight, layers[1].output.dense.weight])

    class TwoMatrices(FreezeSpec):
        def frozen_parameters(self, model):
            return {*ids(model.parameters())} - {*trained}

    groups = named_groups(model, Equal(TASKS), [Stage(0, TwoMatrices([]))])
    assert list(groups) == ["encoder.layers[0]..layers[1]"]


def test_groups_are_one_for_each_set_of_stages_with_a_name_of_its_own(model):
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


def test_groups_of_one_name_are_counted(model):
    """Biases and norms, unfrozen one after the other, are two groups between the same two layers."""
    layers = ["encoder.layers[0]", "encoder.layers[2]"]
    stages = [
        Stage(0, FreezeSpec(["encoder"])),
        Stage(1, FreezeSpec(["encoder"], layers)),
        Stage(2, FreezeSpec(["encoder"], [*layers, "encoder.biases"])),
        Stage(3, FreezeSpec(["encoder"], [*layers, "encoder.biases", "encoder.norms"])),
        Stage(4, FreezeSpec([])),
    ]
    names = [name for name in named_groups(model, Equal(TASKS), stages) if name.startswith("encoder")]
    assert names == [
        "encoder.embeddings..layers[1]",
        "encoder.embeddings..layers[1].no_decay",
        "encoder.embeddings..layers[1].no_decay#2",
        "encoder.layers[0]..layers[2]",
        "encoder.layers[0]..layers[2].no_decay",
    ]


def test_build_gives_adamw_its_settings(model):
    optimization = Optimization(**SETTINGS | {"betas": [0.7, 0.95], "eps": 1e-5, "weight_decay": 0.3})
    for fused in (True, False):
        optimizer, _ = optimization.build(model, Equal(TASKS), ONE_STAGE, steps=10, steps_per_epoch=5, fused=fused)
        assert type(optimizer) is torch.optim.AdamW
        assert optimizer.defaults["betas"] == (0.7, 0.95)
        assert optimizer.defaults["eps"] == 1e-5
        assert all(group["fused"] is fused for group in optimizer.param_groups)
        assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.3}
        assert all("trained" not in group for group in optimizer.param_groups)


def test_build_schedules_each_group_by_its_stages(model):
    stages = [Stage(0, FreezeSpec(["encoder"])), Stage(2, FreezeSpec([]), lr_scale=0.5, restart=True)]
    optimization = Optimization(**SETTINGS)
    optimizer, schedule = optimization.build(model, Equal(TASKS), stages, steps=20, steps_per_epoch=4, fused=False)
    rates = {group["name"]: [] for group in optimizer.param_groups}
    for _ in range(20):
        for group in optimizer.param_groups:
            rates[group["name"]].append(group["lr"])
        optimizer.step()
        schedule.step()
    probe = [linear_schedule(step, 8, 0.1) for step in range(8)]  # two epochs of four steps
    whole = [0.5 * linear_schedule(step, 12, 0.1) for step in range(12)]
    assert rates["heads.category"] == pytest.approx([1e-3 * factor for factor in probe + whole])
    assert rates["encoder"] == pytest.approx([1e-4 * factor for factor in [0.0] * 8 + whole])


def test_optimizer_leaves_what_is_frozen_for_now_alone(model):
    """No decay and no momentum, though the parameter is in the optimizer for a later stage."""
    stages = [Stage(0, FreezeSpec(["encoder"])), Stage(1, FreezeSpec([]))]
    stages[0].freezing.apply(model)
    optimizer, _ = Optimization(**SETTINGS).build(model, Equal(TASKS), stages, 10, 5, fused=True)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    batch = random_batch()
    cross_entropy_per_task(model(batch), batch.labels)[0].sum().backward()
    optimizer.step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name in before if name.startswith("heads.")}
    assert all(id(parameter) not in ids(optimizer.state) for parameter in model.encoder.parameters())


def test_optimization_reports_all_wrong_values_at_once():
    with pytest.raises(ParameterError) as caught:
        Optimization(
            encoder_lr=0.0, head_lr=0.0, layer_decay=0.0, weight_decay=-1.0, betas=(0.9,), eps=0.0, warmup=-0.5
        )
    assert str(caught.value).splitlines() == [
        "encoder_lr: 0.0 given; it must be above 0; to leave the encoder as it is, freeze it",
        "head_lr: 0.0 given; it must be above 0",
        "layer_decay: 0.0 given; it must be above 0 and at most 1; 1 is no decay",
        "weight_decay: -1.0 given; it must be 0 or more",
        "betas: (0.9,) given; it must be two numbers in [0, 1)",
        "eps: 0.0 given; it must be above 0",
        "warmup: -0.5 given; it must be in [0, 1], a share of the training steps, or a whole number of steps above 1",
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"layer_decay": 1.5}, {"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)}, {"betas": (0.9,) * 3}, {"warmup": 1.5}],
    ids=str,
)
def test_optimization_refuses_values_out_of_range(wrong):
    with pytest.raises(ParameterError, match=f"^{next(iter(wrong))}: "):
        Optimization(**SETTINGS | wrong)


@pytest.mark.parametrize(
    "allowed",
    [
        {"weight_decay": 0.0},
        {"betas": (0.0, 0.0)},
        {"warmup": 0.0},
        {"warmup": 1.0},
        {"warmup": 100},
        {"layer_decay": 1.0},
    ],
    ids=str,
)
def test_optimization_takes_the_bounds(allowed):
    name, value = next(iter(allowed.items()))
    assert getattr(Optimization(**SETTINGS | allowed), name) == value
