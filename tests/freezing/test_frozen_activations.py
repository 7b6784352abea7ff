import logging

import pytest
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.data.tokenization import TextTokenizer
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import FrozenActivations, frozen_depth
from polyhead.freezing.plans import FreezeSpec
from polyhead.inference.length_batches import equal_length_batches
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.training.fit import fit_and_test

BACKBONE, LOWER = ["encoder"], ["encoder.embeddings", "encoder.layers[:2]"]


def activations(model, folder, precision="32-true"):
    depth = frozen_depth(model.encoder)
    return FrozenActivations(model.encoder, depth, precision, ActivationCache(str(folder), 1), torch.device("cpu"))


@pytest.mark.parametrize(
    ("frozen", "depth"),
    [
        ([], 0),
        (BACKBONE, None),
        (LOWER, 2),
        (["encoder.embeddings"], 0),
        (["encoder.layers[:2]"], 0),  # the embeddings below them are trained
        (["encoder.embeddings", "encoder.layers[1:]"], 0),
        (["encoder.embeddings", "encoder.layers"], None),
        (["heads"], 0),
    ],
)
def test_frozen_depth_counts_the_frozen_layers_below_the_first_trained_part(model, frozen, depth):
    FreezeSpec(frozen).apply(model)
    assert frozen_depth(model.encoder) == depth


def run(make_encoder, tasks, family, frozen, folder, cached):
    torch.manual_seed(0)
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    for module in model.encoder.modules():
        if isinstance(module, torch.nn.Dropout | FastDropout):
            module.p = 0.0  # whether layers run changes how many random numbers are drawn
    module = make_module(model, tasks, frozen)
    data = make_data(tasks)
    if cached:
        data.activations = lambda: activations(model, folder / "activations").attach
    outcome = fit_and_test(module, data, make_trainer(folder, max_epochs=3), None)
    assert (data.split("train").activations is not None) == cached
    return module, outcome


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert", "distilbert"])
@pytest.mark.parametrize("frozen", [BACKBONE, LOWER])
def test_stored_activations_give_the_metrics_and_weights_of_the_encoder(tmp_path, make_encoder, tasks, family, frozen):
    with_cache, one = run(make_encoder, tasks, family, frozen, tmp_path, cached=True)
    without, other = run(make_encoder, tasks, family, frozen, tmp_path, cached=False)
    for split in ("validation", "test"):
        ours, theirs = getattr(one, split), getattr(other, split)
        for task in ours:
            assert ours[task]["confusion"] == theirs[task]["confusion"]
            assert ours[task]["loss"] == pytest.approx(theirs[task]["loss"], rel=1e-4)
    # Batches differ in shape, so sums differ in their last bits; Adam makes up to a step of 0.01 of a gradient near 0.
    for name, value in without.model.state_dict().items():
        torch.testing.assert_close(with_cache.model.state_dict()[name], value, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("frozen", [BACKBONE, LOWER])
def test_stored_activations_give_the_logits_of_the_encoder(tmp_path, make_encoder, tasks, family, frozen):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    FreezeSpec(frozen).apply(model)
    model.eval()
    plain, stored = make_data(tasks), make_data(tasks)
    stored.activations = lambda: activations(model, tmp_path).attach
    rows = list(range(48))
    with torch.no_grad():
        expected, ours = model(plain.split("train")[rows]), model(stored.split("train")[rows])
    for task in expected:
        torch.testing.assert_close(ours[task], expected[task], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "modernbert"])
@pytest.mark.parametrize("frozen", [BACKBONE, LOWER])
def test_stored_activations_give_the_same_logits_bit_for_bit_in_batches_of_one_shape(
    tmp_path, make_encoder, tasks, family, frozen
):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    FreezeSpec(frozen).apply(model)
    model.eval()
    plain, stored = make_data(tasks), make_data(tasks)
    stored.activations = lambda: activations(model, tmp_path).attach
    lengths = plain.split("train").lengths
    rows = next(group for group in equal_length_batches(lengths) if 1 < len(group) < 32).tolist()
    with torch.no_grad():
        expected, ours = model(plain.split("train")[rows]), model(stored.split("train")[rows])
    for task in expected:
        assert torch.equal(ours[task], expected[task])


def test_stored_activations_spare_a_second_run_the_encoder_pass(tmp_path, model, tasks, caplog):
    FreezeSpec(BACKBONE).apply(model)
    passes = []
    for _ in range(2):
        data = make_data(tasks)
        data.activations = lambda: activations(model, tmp_path).attach
        with caplog.at_level(logging.INFO):
            for split in ("train", "validation", "test"):
                data.split(split)
        passes.append([record.getMessage() for record in caplog.records if "activations of" in record.getMessage()])
        caplog.clear()
    assert all("computed and stored" in message for message in passes[0])
    assert all("no encoder pass" in message for message in passes[1])
    assert len(passes[0]) == len(passes[1]) == 3


@pytest.mark.parametrize("change", ["weights", "texts", "depth", "precision", "pooling", "length", "upper", "head"])
def test_stored_activations_are_found_again_unless_something_makes_a_difference(tmp_path, make_encoder, tasks, change):
    model = MultiTaskModel(make_encoder(), tasks, 0.1)
    FreezeSpec(LOWER).apply(model)
    data = make_data(tasks)
    first = activations(model, tmp_path)._key(data.split("train"))
    precision = "32-true"
    if change == "weights":
        model.encoder.layers[0].attention.self.query.weight.data[0, 0] += 1
    elif change == "upper":
        model.encoder.layers[2].attention.self.query.weight.data[0, 0] += 1
    elif change == "head":
        model.heads["category"][1].bias.data += 1
    elif change == "texts":
        data.split("train").sentences.ids[5] += 1
    elif change == "depth":
        model.encoder.layers[1].requires_grad_(True)
    elif change == "pooling":
        model.encoder.pooling = "max"
    elif change == "precision":
        precision = "bf16-mixed"
    else:
        data = make_data(tasks)
        data.text_tokenizer = TextTokenizer(data.tokenizer, max_length=5)
    same = activations(model, tmp_path, precision)._key(data.split("train")) == first
    assert same == (change in ("upper", "head"))


def test_stored_token_states_of_bfloat16_training_are_bfloat16(tmp_path, model, tasks):
    FreezeSpec(LOWER).apply(model)
    data = make_data(tasks)
    data.activations = lambda: activations(model, tmp_path, "bf16-mixed").attach
    assert data.split("train").activations.dtype == torch.bfloat16


def test_training_continues_if_activations_cannot_be_stored(tmp_path, model, tasks):
    (tmp_path / "file").write_text("")
    module, data = make_module(model, tasks, BACKBONE), make_data(tasks)
    data.activations = lambda: activations(model, tmp_path / "file").attach
    outcome = fit_and_test(module, data, make_trainer(tmp_path), None)
    assert data.split("train").activations is None
    assert outcome.test["category"]["accuracy"] > 0
