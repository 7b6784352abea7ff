import pytest
import torch
from support.models import FAMILIES, random_batch

from polyhead.errors import ParameterError
from polyhead.freezing.plans import (
    FreezePlan,
    FreezeSpec,
    Stage,
    count_parameters,
    count_trained,
    eval_frozen_modules,
    stage_index,
)
from polyhead.models.multitask import MultiTaskModel


def frozen_names(model):
    return {name for name, p in model.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize(
    ("frozen", "prefixes"),
    [
        ([], ()),
        (["encoder", "heads"], ("encoder.", "heads.")),
        (["encoder"], ("encoder.",)),
        (["heads.category"], ("heads.category.",)),
        (["encoder.embeddings"], ("encoder.transformer.embeddings.",)),
        (["encoder.layers[:2]"], ("encoder.transformer.encoder.layer.0.", "encoder.transformer.encoder.layer.1.")),
        (["encoder.layers[-1]"], ("encoder.transformer.encoder.layer.2.",)),
        (["encoder.layers[1:]"], ("encoder.transformer.encoder.layer.1.", "encoder.transformer.encoder.layer.2.")),
        (["encoder.layers"], ("encoder.transformer.encoder.",)),
    ],
)
def test_freeze_spec_freezes_the_named_parts_and_nothing_else(model, frozen, prefixes):
    FreezeSpec(frozen).apply(model)
    assert frozen_names(model) == {name for name, _ in model.named_parameters() if name.startswith(prefixes or "none")}


@pytest.mark.parametrize("family", FAMILIES)
def test_lower_layers_leave_the_upper_layers_and_the_heads(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    FreezeSpec.lower_layers(2).apply(model)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    above = [p for module in (model.encoder.layers[2], model.heads) for p in module.parameters()]
    below = [p for module in [*model.encoder.embeddings, *model.encoder.layers[:2]] for p in module.parameters()]
    assert all(id(p) in trained for p in above)
    assert not any(id(p) in trained for p in below)


def test_freeze_spec_puts_frozen_parts_in_evaluation_mode_and_no_others(model):
    FreezeSpec(["encoder.layers[:1]", "heads.category"]).apply(model)
    assert not any(m.training for m in model.encoder.layers[0].modules())
    assert not any(m.training for m in model.heads["category"].modules())
    assert all(m.training for m in model.encoder.layers[1].modules())
    assert all(m.training for m in model.heads["sentiment"].modules())


def test_frozen_encoder_has_no_dropout_left(model):
    model.encoder.transformer.config.hidden_dropout_prob = 0.5
    batch = random_batch()
    FreezeSpec(["encoder"]).apply(model)
    first = model.encoder(batch.input_ids, batch.attention_mask)
    model.train()
    assert not torch.equal(model.encoder(batch.input_ids, batch.attention_mask), first)  # the premise: dropout acts
    eval_frozen_modules(model)
    assert torch.equal(model.encoder(batch.input_ids, batch.attention_mask), first)


@pytest.mark.parametrize(
    "name",
    ["enc", "encoder.layers[7]", "encoder.layers[:4]", "encoder.layers[a]", "heads.topic", "encoder.layers[]", ""],
)
def test_freeze_spec_refuses_an_unknown_name_with_the_valid_ones_and_touches_nothing(model, name):
    with pytest.raises(ParameterError) as caught:
        FreezeSpec(["encoder.embeddings", name]).apply(model)
    message = str(caught.value)
    assert repr(name) in message
    assert all(valid in message for valid in ("encoder.embeddings", "layers 0 to 2", "heads.category"))
    assert frozen_names(model) == set()


def test_freeze_spec_refuses_all_unknown_names_at_once(model):
    with pytest.raises(ParameterError) as caught:
        FreezeSpec(["enc", "heads", "head"], ["encoder", "tail"]).apply(model)
    starts = [line.split(";")[0] for line in str(caught.value).splitlines()]
    assert starts == ["frozen: the model has no 'enc', 'head'", "trained: the model has no 'tail'"]


def test_freeze_spec_refuses_texts_in_place_of_lists():
    with pytest.raises(ParameterError) as caught:
        FreezeSpec("encoder", "heads")
    assert str(caught.value).splitlines() == [
        "frozen: 'encoder' given; it must be a list, as [encoder]",
        "trained: 'heads' given; it must be a list, as [heads]",
    ]


@pytest.mark.parametrize(
    ("make", "instead"),
    [(FreezeSpec.lower_layers, "freeze encoder.embeddings alone"), (FreezeSpec.upper_layers, "freeze nothing")],
)
def test_freeze_spec_refuses_a_count_below_one_and_says_what_to_do(make, instead):
    with pytest.raises(ParameterError, match=f"^count: 0 given; it must be 1 or more \\(or {instead}\\)"):
        make(0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_freeze_spec_of_lower_and_upper_layers_counts_from_their_ends(model, count):
    layers = list(model.encoder.layers)
    below = [*model.encoder.embeddings, *layers[:count]]
    for spec, expected in ((FreezeSpec.lower_layers(count), below), (FreezeSpec.upper_layers(count), layers[-count:])):
        assert spec.frozen_parameters(model) == {id(p) for module in expected for p in module.parameters()}


def test_freeze_spec_is_a_plan_of_one_stage(model):
    spec = FreezeSpec(["encoder"])
    assert spec.checked_stages(model) == (Stage(0, spec, lr_scale=1.0, restart=False),)


def test_freeze_spec_may_freeze_everything(model):
    """Such a network is evaluated as it is."""
    (stage,) = FreezeSpec(["encoder", "heads"]).checked_stages(model)
    assert stage.freezing.frozen_parameters(model) == {id(p) for p in model.parameters()}


def test_stage_refuses_a_factor_that_is_not_above_zero():
    for factor in (0, -0.5):
        with pytest.raises(ParameterError, match=f"^lr_scale: {factor} given; it must be above 0"):
            Stage(0, FreezeSpec([]), lr_scale=factor)


def test_count_trained_counts_what_any_stage_trains(model):
    total = sum(p.numel() for p in model.parameters())
    heads = sum(p.numel() for p in model.heads.parameters())
    thawed = sum(p.numel() for p in model.encoder.layers[2].parameters())
    stages = (Stage(0, FreezeSpec(["encoder"])), Stage(1, FreezeSpec(["encoder"], ["encoder.layers[2]"])))
    assert count_trained(model, stages) == (heads + thawed, total)
    assert count_trained(model, stages[:1]) == (heads, total)


def test_count_parameters_counts_what_is_trained_now_and_all(model):
    total = sum(p.numel() for p in model.parameters())
    FreezeSpec(["encoder"]).apply(model)
    heads = (16 * 3 + 3) + (16 * 2 + 2)
    assert count_parameters(model) == (heads, total)


def test_freeze_spec_trains_the_parts_named_within_a_frozen_one(model):
    FreezeSpec(["encoder"], ["encoder.layers[-1]", "encoder.embeddings"]).apply(model)
    below = ("encoder.transformer.encoder.layer.0.", "encoder.transformer.encoder.layer.1.")
    assert frozen_names(model) == {name for name, _ in model.named_parameters() if name.startswith(below)}


def test_freeze_spec_unfreezes_the_parts_of_another_and_forgets_gradients(model):
    FreezeSpec(["heads"]).apply(model)
    sum(p.sum() for p in model.encoder.parameters()).backward()
    FreezeSpec(["encoder"]).apply(model)
    assert frozen_names(model) == {name for name, _ in model.named_parameters() if name.startswith("encoder.")}
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(module.training for module in model.heads.modules())


def test_layer_group_with_a_trained_parameter_keeps_its_dropout(model):
    FreezeSpec(["encoder"], ["encoder.biases"]).apply(model)
    assert all(module.training for module in model.modules())


class Stages(FreezePlan):
    def __init__(self, *stages):
        self.given = stages

    def stages(self, model):
        return self.given


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "stages: from the epochs  on given; they must rise, the first from 0"),
        ([Stage(1, FreezeSpec([]))], "stages: from the epochs 1 on given; they must rise, the first from 0"),
        ([Stage(0, FreezeSpec([])), Stage(0, FreezeSpec(["encoder"]))], "stages: from the epochs 0, 0 on given"),
        ([Stage(0, FreezeSpec([])), Stage(2, FreezeSpec(["encoder", "heads"]))], "nothing is trained from epoch 2 on"),
        ([Stage(0, FreezeSpec(["enc"])), Stage(1, FreezeSpec(["head"]))], "no 'head'"),
    ],
)
def test_plan_that_does_not_fit_is_refused(model, stages, message):
    with pytest.raises(ParameterError) as caught:
        Stages(*stages).checked_stages(model)
    assert message in str(caught.value)


def test_plan_is_refused_with_all_its_faults_at_once(model):
    plan = Stages(
        Stage(1, FreezeSpec(["enc"])), Stage(0, FreezeSpec(["enc"])), Stage(2, FreezeSpec(["heads", "encoder"]))
    )
    with pytest.raises(ParameterError) as caught:
        plan.checked_stages(model)
    starts = [line.split(";")[0] for line in str(caught.value).splitlines()]
    assert starts == ["frozen: the model has no 'enc'", "stages: from the epochs 1, 0, 2 on given"]


def test_plan_is_refused_with_all_its_idle_stages_at_once(model):
    everything = FreezeSpec(["encoder", "heads"])
    with pytest.raises(ParameterError) as caught:
        Stages(Stage(0, FreezeSpec([])), Stage(1, everything), Stage(3, everything)).checked_stages(model)
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        "stages: nothing is trained from epoch 1 on",
        "stages: nothing is trained from epoch 3 on",
    ]


def test_plan_returns_the_stages_that_it_checked(model):
    stages = (Stage(0, FreezeSpec(["encoder"])), Stage(2, FreezeSpec([])))
    assert Stages(*stages).checked_stages(model) == stages


def test_stage_is_a_function_of_the_epoch():
    stages = [Stage(epoch, FreezeSpec([])) for epoch in (0, 2, 3)]
    assert [stage_index(stages, epoch) for epoch in range(6)] == [0, 0, 1, 2, 2, 2]
