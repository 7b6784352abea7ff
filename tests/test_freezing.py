import pytest
import torch
from conftest import FAMILIES, random_batch

from polyhead.errors import UserError
from polyhead.freezing import Freezing, count_parameters, modules_named
from polyhead.model import MultiTaskModel


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
    Freezing(frozen).apply(model)
    assert frozen_names(model) == {name for name, _ in model.named_parameters() if name.startswith(prefixes or "none")}


@pytest.mark.parametrize("family", FAMILIES)
def test_lower_layers_leave_the_upper_layers_and_the_heads(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    Freezing.lower_layers(2).apply(model)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    above = [p for module in (model.encoder.layers[2], model.heads) for p in module.parameters()]
    below = [p for module in [*model.encoder.embeddings, *model.encoder.layers[:2]] for p in module.parameters()]
    assert all(id(p) in trained for p in above)
    assert not any(id(p) in trained for p in below)


def test_frozen_parts_are_in_evaluation_mode_and_the_rest_is_not(model):
    Freezing(["encoder.layers[:1]", "heads.category"]).apply(model)
    assert not any(m.training for m in model.encoder.layers[0].modules())
    assert not any(m.training for m in model.heads["category"].modules())
    assert all(m.training for m in model.encoder.layers[1].modules())
    assert all(m.training for m in model.heads["sentiment"].modules())


def test_a_frozen_encoder_has_no_dropout_left(model):
    model.encoder.transformer.config.hidden_dropout_prob = 0.5
    batch = random_batch()
    Freezing(["encoder"]).apply(model)
    first = model.encoder(batch.input_ids, batch.attention_mask)
    model.train()
    assert not torch.equal(model.encoder(batch.input_ids, batch.attention_mask), first)  # the premise: dropout acts
    Freezing(["encoder"]).hold(model)
    assert torch.equal(model.encoder(batch.input_ids, batch.attention_mask), first)


@pytest.mark.parametrize(
    "name",
    ["enc", "encoder.layers[7]", "encoder.layers[:4]", "encoder.layers[a]", "heads.topic", "encoder.layers[]", ""],
)
def test_an_unknown_name_is_refused_with_the_valid_ones_and_nothing_is_touched(model, name):
    with pytest.raises(UserError) as caught:
        Freezing(["encoder.embeddings", name]).apply(model)
    message = str(caught.value)
    assert repr(name) in message
    assert all(valid in message for valid in ("encoder.embeddings", "layers 0 to 2", "heads.category"))
    assert frozen_names(model) == set()


def test_all_unknown_names_are_told_at_once(model):
    with pytest.raises(UserError, match="'enc', 'head'"):
        Freezing(["enc", "heads", "head"]).modules(model)


def test_a_text_in_place_of_a_list_is_refused():
    with pytest.raises(UserError, match=r"write a list, as \[encoder\]"):
        Freezing("encoder")


def test_a_count_below_one_is_refused():
    with pytest.raises(UserError, match="freeze.count: 0 given"):
        Freezing.lower_layers(0)


def test_counts(model):
    total = sum(p.numel() for p in model.parameters())
    Freezing(["encoder"]).apply(model)
    heads = (16 * 3 + 3) + (16 * 2 + 2)
    assert count_parameters(model) == (heads, total)


def test_an_empty_slice_names_nothing(model):
    assert modules_named(model, "encoder.layers[2:2]") == []
