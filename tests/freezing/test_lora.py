import copy

import pytest
import torch
from support.models import FAMILIES, random_batch

from polyhead.errors import ParameterError, UserError
from polyhead.freezing.frozen_activations import frozen_depth
from polyhead.freezing.lora import LoRA, merge_adapters
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import parameters_named
from polyhead.training.optimizer import prove_coverage


def embed(model, batch):
    model.eval()
    with torch.no_grad():
        return model.encoder(batch.input_ids, batch.attention_mask)


def shake(model):
    """Give the adapters weights as training would."""
    with torch.no_grad():
        for parameter in parameters_named(model, "encoder.adapters"):
            parameter.add_(torch.randn_like(parameter) * 0.3)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_change_nothing_untrained_and_merged_ones_keep_what_was_learned(make_encoder, tasks, family):
    model, batch = MultiTaskModel(make_encoder(family), tasks, dropout=0.1), random_batch()
    names, before = list(model.state_dict()), embed(model, batch)
    LoRA(rank=2, alpha=4, targets="all-linear", from_layer=1).prepare(model)
    assert torch.equal(embed(model, batch), before)
    shake(model)
    trained = embed(model, batch)
    assert not torch.allclose(trained, before, atol=1e-3)
    merge_adapters(model.encoder)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(embed(model, batch), trained, atol=1e-5, rtol=1e-5)


def test_update_is_the_scaled_product_of_the_two_matrices(model):
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    LoRA(rank=2, alpha=6, targets=["query"], from_layer=0).prepare(model)
    shake(model)
    query = model.encoder.layers[1].attention.self.query
    expected = 6 / 2 * query.lora_B["default"].weight @ query.lora_A["default"].weight
    merge_adapters(model.encoder)
    name = "transformer.encoder.layer.1.attention.self.query.weight"
    torch.testing.assert_close(model.encoder.state_dict()[name] - before[name], expected, atol=1e-6, rtol=1e-5)


def test_merging_sums_in_single_precision(model):
    LoRA(rank=2, alpha=4, targets=["query"], from_layer=0).prepare(model)
    shake(model)
    exact = copy.deepcopy(model.encoder)
    merge_adapters(exact)
    half = model.encoder.bfloat16()
    weight = half.layers[0].attention.self.query.base_layer.weight.float().clone()
    update = half.layers[0].attention.self.query.get_delta_weight("default").float()
    merge_adapters(half)
    assert torch.equal(half.layers[0].attention.self.query.weight, (weight + update).bfloat16())


def test_layers_below_the_adapters_are_frozen_whole(model):
    plan = LoRA(rank=2, alpha=4, targets="all-linear", from_layer=2)
    plan.prepare(model)
    (stage,) = plan.checked_stages(model)
    stage.freezing.apply(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if ".lora_" in name or name.startswith("heads.")}
    assert all("layer.2." in name for name in trained if name.startswith("encoder."))
    assert frozen_depth(model.encoder) == 2


def test_fresh_adapters_of_equal_value_are_different_parameters(model):
    LoRA(rank=2, alpha=4, targets="all-linear", from_layer=0).prepare(model)
    zeros = [p for p in parameters_named(model, "encoder.adapters") if not p.any()]
    assert len(zeros) == 18  # one B for each of six linear modules in three layers
    prove_coverage([{"params": list(model.parameters())}], [model], set())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"from_layer": 3}, "^from_layer: 3 given; it must be a layer of this encoder, 0 to 2"),
        (
            {"targets": ["query", "valu"]},
            "^targets: no linear module of a layer is called 'valu'; did you mean 'value'",
        ),
        ({"targets": "q_lin"}, "Valid: all-linear, attention.output.dense"),
    ],
)
def test_lora_that_does_not_fit_the_encoder_is_refused(model, settings, message):
    plan = LoRA(**{"rank": 2, "alpha": 4, "targets": "all-linear", "from_layer": 0} | settings)
    with pytest.raises(ParameterError, match=message):
        plan.prepare(model)


def test_lora_refuses_all_wrong_values_at_once():
    with pytest.raises(ParameterError) as caught:
        LoRA(rank=0, alpha=0, targets="all-linear", from_layer=-1)
    assert str(caught.value).splitlines() == [
        "rank: 0 given; it must be 1 or more",
        "alpha: 0 given; it must be above 0",
        "from_layer: -1 given; it must be 0 or more",
    ]


@pytest.mark.parametrize("targets", ["query", ["query"], ["attention.self.query"], ("query",)])
def test_lora_takes_targets_by_name_or_path_alone_or_listed(model, targets):
    LoRA(rank=1, alpha=0.5, targets=targets, from_layer=1).prepare(model)
    adapted = {name for name, _ in model.encoder.layers.named_modules() if name.endswith("lora_A")}
    assert adapted == {f"{layer}.attention.self.query.lora_A" for layer in (1, 2)}


def test_lora_has_no_dropout_of_its_own(model):
    LoRA(rank=2, alpha=4, targets="all-linear", from_layer=0).prepare(model)
    shake(model)
    batch = random_batch()
    expected = embed(model, batch)
    for name, module in model.encoder.named_modules():
        if "lora" in name:
            module.train()  # of the adapters alone: the encoder's own dropout stays off
    assert torch.equal(model.encoder(batch.input_ids, batch.attention_mask), expected)


def test_lora_without_peft_says_in_one_line_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UserError, match=r'^LoRA: .*peft.* is not installed; run: pip install "polyhead\[lora\]"'):
        LoRA(rank=1, alpha=1, targets="all-linear", from_layer=0)
