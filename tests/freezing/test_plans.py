import pytest
import torch
from support.models import FAMILIES, random_batch

from polyhead.errors import UserError
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
def test_names_mean_what_they_say(model, frozen, prefixes):
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


def test_frozen_parts_are_in_evaluation_mode_and_the_rest_is_not(model):
    FreezeSpec(["encoder.layers[:1]", "heads.category"]).apply(model)
    assert not any(m.training for m in model.encoder.layers[0].modules())
    assert not any(m.training for m in model.heads["category"].modules())
    assert all(m.training for m in model.encoder.layers[1].modules())
    assert all(m.training for m in model.heads["sentiment"].modules())


def test_a_frozen_encoder_has_no_dropout_left(model):
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
def test_an_unknown_name_is_refused_with_the_valid_ones_and_nothing_is_touched(model, name):
    with pytest.raises(UserError) as caught:
        FreezeSpec(["encoder.embeddings", name]).apply(model)
    message = str(caught.value)
    assert repr(name) in message
    assert all(valid in message for valid in ("encoder.embeddings", "layers 0 to 2", "heads.category"))
    assert frozen_names(model) == set()


def test_all_unknown_names_are_told_at_once(model):
    with pytest.raises(UserError, match="'enc', 'head'"):
        FreezeSpec(["enc", "heads", "head"]).apply(model)


def test_a_text_in_place_of_a_list_is_refused():
    with pytest.raises(UserError, match=r"write a list, as \[encoder\]"):
        FreezeSpec("encoder")


def test_a_count_below_one_is_refused():
    with pytest.raises(UserError, match="freeze.count: 0 given"):
        FreezeSpec.lower_layers(0)


def test_what_any_stage_trains_counts_as_trained(model):
    total = sum(p.numel() for p in model.parameters())
    heads = sum(p.numel() for p in model.heads.parameters())
    thawed = sum(p.numel() for p in model.encoder.layers[2].parameters())
    stages = (Stage(0, FreezeSpec(["encoder"])), Stage(1, FreezeSpec(["encoder"], ["encoder.layers[2]"])))
    assert count_trained(model, stages) == (heads + thawed, total)
    assert count_trained(model, stages[:1]) == (heads, total)


def test_counts(model):
    total = sum(p.numel() for p in model.parameters())
    FreezeSpec(["encoder"]).apply(model)
    heads = (16 * 3 + 3) + (16 * 2 + 2)
    assert count_parameters(model) == (heads, total)


def test_what_is_trained_in_a_frozen_part_is_trained(model):
    FreezeSpec(["encoder"], ["encoder.layers[-1]", "encoder.embeddings"]).apply(model)
    below = ("encoder.transformer.encoder.layer.0.", "encoder.transformer.encoder.layer.1.")
    assert frozen_names(model) == {name for name, _ in model.named_parameters() if name.startswith(below)}


def test_applying_another_freezing_thaws_and_forgets_gradients(model):
    FreezeSpec(["heads"]).apply(model)
    sum(p.sum() for p in model.encoder.parameters()).backward()
    FreezeSpec(["encoder"]).apply(model)
    assert frozen_names(model) == {name for name, _ in model.named_parameters() if name.startswith("encoder.")}
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(module.training for module in model.heads.modules())


def test_a_unit_with_a_single_trained_parameter_has_its_dropout(model):
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
        ([Stage(1, FreezeSpec([]))], "stages from the epochs 1 on given; they must rise, the first from 0"),
        ([Stage(0, FreezeSpec([])), Stage(0, FreezeSpec(["encoder"]))], "stages from the epochs 0, 0 on given"),
        ([Stage(0, FreezeSpec([])), Stage(2, FreezeSpec(["encoder", "heads"]))], "nothing is trained from epoch 2 on"),
        ([Stage(0, FreezeSpec([]), lr_scale=-0.5)], "learning rates times -0.5 from epoch 0 on; give a factor above 0"),
        ([Stage(0, FreezeSpec(["enc"])), Stage(1, FreezeSpec(["head"]))], "no 'head'"),
    ],
)
def test_a_wrong_plan_is_refused(model, stages, message):
    with pytest.raises(UserError) as caught:
        Stages(*stages).checked_stages(model)
    assert message in str(caught.value)


def test_all_faults_of_a_plan_are_told_at_once(model):
    plan = Stages(Stage(1, FreezeSpec(["enc"]), lr_scale=0), Stage(0, FreezeSpec(["head"])))
    with pytest.raises(UserError) as caught:
        plan.checked_stages(model)
    assert len(str(caught.value).splitlines()) == 4


def test_the_stage_is_a_function_of_the_epoch():
    stages = [Stage(epoch, FreezeSpec([])) for epoch in (0, 2, 3)]
    assert [stage_index(stages, epoch) for epoch in range(6)] == [0, 0, 1, 2, 2, 2]
