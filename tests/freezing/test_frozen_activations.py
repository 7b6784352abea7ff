import copy
import logging

import numpy as np
import pytest
import torch
from support.fakes import WORDS, word_tokenizer
from support.models import FAMILIES
from support.training import make_data, make_module, make_trainer

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenization import TextTokenizer
from polyhead.freezing import frozen_activations
from polyhead.freezing.activation_cache import ActivationCache, digest
from polyhead.freezing.frozen_activations import FrozenActivations, attach_frozen, frozen_depth
from polyhead.freezing.plans import FreezeSpec
from polyhead.inference.length_batches import equal_length_batches
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import IDENTITY, Dense, Normalize
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


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_depth_leaves_a_layer_to_run_below_a_trained_top(make_encoder, family):
    encoder = make_encoder(family).requires_grad_(False)
    assert frozen_depth(encoder) is None
    for module in encoder.top:
        module.requires_grad_(True)
    assert frozen_depth(encoder) == (2 if encoder.top else None)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("frozen", [BACKBONE, LOWER])
def test_attached_activations_are_those_of_the_frozen_layers(tmp_path, model, tasks, frozen, precision):
    FreezeSpec(frozen).apply(model)
    cache = ActivationCache(str(tmp_path), 1)
    split, encoder = make_data(tasks).split("train"), copy.deepcopy(model.encoder).eval()
    attach_frozen(model.encoder, precision, cache, torch.device("cpu"))(split, "train")
    ids = [
        torch.from_numpy(row.astype(int))[None] for row in np.split(split.sentences.ids, split.sentences.offsets[1:-1])
    ]
    with torch.no_grad():
        if frozen == BACKBONE:
            expected = torch.cat([encoder(row) for row in ids])
        else:
            expected = torch.cat([encoder.lower_states(2, row)[0] for row in ids])
    assert split.depth == frozen_depth(model.encoder)
    tolerance = 1e-5 if precision == "32-true" else 3e-2
    torch.testing.assert_close(split.activations.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("frozen", [[], ["heads"], ["encoder.embeddings"]])
def test_attach_frozen_gives_nothing_if_nothing_worth_storing_is_frozen(tmp_path, model, frozen):
    FreezeSpec(frozen).apply(model)
    assert attach_frozen(model.encoder, "32-true", ActivationCache(str(tmp_path), 1), torch.device("cpu")) is None


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


@pytest.mark.slow
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


def test_stored_activations_spare_a_second_run_the_encoder_pass(tmp_path, model, tasks, caplog, monkeypatch):
    FreezeSpec(BACKBONE).apply(model)
    splits = ("train", "validation", "test")
    for how in ("computed and stored", "read from the cache, no encoder pass"):
        data = make_data(tasks)
        data.activations = lambda: activations(model, tmp_path).attach
        with caplog.at_level(logging.INFO):
            for split in splits:
                data.split(split)
        assert [message for message in caplog.messages if "activations" in message] == [
            f"activations of {split}: {how}" for split in splits
        ]
        caplog.clear()
        monkeypatch.setattr(model.encoder, "forward", lambda *_: pytest.fail("an encoder pass"))


def change_nothing(model, data):
    pass


def change_weights(model, data):
    model.encoder.layers[0].attention.self.query.weight.data[0, 0] += 1


def change_upper_layer(model, data):
    model.encoder.layers[2].attention.self.query.weight.data[0, 0] += 1


def change_head(model, data):
    model.heads["category"][1].bias.data += 1


def change_texts(model, data):
    data.split("train").sentences.ids[5] += 1


def change_offsets(model, data):
    data.split("train").sentences.offsets[5] += 1


def change_depth(model, data):
    model.encoder.layers[1].requires_grad_(True)


def change_pooling(model, data):
    model.encoder.pooling = ("max",)


def change_config(model, data):
    model.encoder.transformer.config.hidden_act = "relu"


def change_folder(model, data):
    model.encoder.transformer.config._name_or_path = "elsewhere"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_nothing, True),
        (change_upper_layer, True),
        (change_head, True),
        (change_folder, True),
        (change_weights, False),
        (change_texts, False),
        (change_offsets, False),
        (change_depth, False),
        (change_pooling, False),
        (change_config, False),
    ],
)
def test_stored_activations_are_found_again_unless_something_makes_a_difference(tmp_path, model, tasks, change, found):
    FreezeSpec(LOWER).apply(model)
    data = make_data(tasks)
    key = activations(model, tmp_path)._key(data.split("train"))
    change(model, data)
    assert (activations(model, tmp_path)._key(data.split("train")) == key) is found


def test_stored_activations_of_another_precision_are_not_taken(tmp_path, model, tasks):
    FreezeSpec(LOWER).apply(model)
    split = make_data(tasks).split("train")
    keys = {activations(model, tmp_path, precision)._key(split) for precision in ("32-true", "bf16-mixed", "bf16-true")}
    assert len(keys) == 3


def test_stored_embeddings_depend_on_the_modules_on_top_of_the_layers(tmp_path, make_encoder, tasks):
    model = MultiTaskModel(make_encoder("modernbert"), tasks, dropout=0.1)
    FreezeSpec(BACKBONE).apply(model)
    split = make_data(tasks).split("train")
    key = activations(model, tmp_path)._key(split)
    (norm,) = model.encoder.top
    norm.weight.data[0] += 1
    assert activations(model, tmp_path)._key(split) != key


def test_stored_activations_are_announced_split_by_split(tmp_path, model, tasks, caplog):
    FreezeSpec(BACKBONE).apply(model)
    data, ours = make_data(tasks), activations(model, tmp_path)
    with caplog.at_level(logging.INFO):
        for name in ("train", "train", "validation"):
            ours.attach(data.split(name), name)
    how = [message.split(": ")[1] for message in caplog.messages if message.startswith("activations of")]
    assert how == ["computed and stored", "read from the cache, no encoder pass", "computed and stored"]


@pytest.mark.parametrize(("frozen", "depth"), [(BACKBONE, -1), (LOWER, 2)])
def test_stored_activations_have_the_keys_of_every_version(tmp_path, model, tasks, frozen, depth):
    """Entries that exist already are found: -1 stands for the whole encoder in their keys."""
    FreezeSpec(frozen).apply(model)
    split, encoder = make_data(tasks).split("train"), model.encoder
    config = {name: str(value) for name, value in encoder.transformer.config.to_dict().items() if name[0] != "_"}
    frozen_modules = [encoder] if depth == -1 else [*encoder.embeddings, *encoder.layers[:depth]]
    state = [value for module in frozen_modules for value in module.state_dict().values()]
    expected = digest([repr(sorted(config.items())), f"{depth} mean 32-true", *state])
    key = activations(model, tmp_path)._key(split)
    assert key == digest([expected, split.sentences.ids, split.sentences.offsets])


@pytest.mark.parametrize(("precision", "packs"), [("32-true", False), ("bf16-mixed", True), ("bf16-true", True)])
def test_activations_are_computed_by_packed_layers_in_half_precision_alone(
    tmp_path, model, tasks, monkeypatch, precision, packs
):
    packed = []
    monkeypatch.setattr(frozen_activations, "pack_linear_layers", packed.append)
    FreezeSpec(BACKBONE).apply(model)
    activations(model, tmp_path, precision).attach(make_data(tasks).split("train"), "train")
    assert len(packed) == packs


def test_stored_token_states_of_bfloat16_training_are_bfloat16(tmp_path, model, tasks):
    FreezeSpec(LOWER).apply(model)
    data = make_data(tasks)
    data.activations = lambda: activations(model, tmp_path, "bf16-mixed").attach
    assert data.split("train").activations.dtype == torch.bfloat16


@pytest.mark.slow
def test_training_continues_if_activations_cannot_be_stored(tmp_path, model, tasks):
    (tmp_path / "file").write_text("")
    module, data = make_module(model, tasks, BACKBONE), make_data(tasks)
    data.activations = lambda: activations(model, tmp_path / "file").attach
    outcome = fit_and_test(module, data, make_trainer(tmp_path), None)
    assert data.split("train").activations is None
    assert outcome.test["category"]["accuracy"] > 0


def change_activation(encoder):
    encoder.sentence_modules[0].activation_name = "torch.nn.modules.activation.Tanh"


def change_dense(encoder):
    encoder.sentence_modules[0].linear.weight.data += 1


def change_order(encoder):
    encoder.sentence_modules = encoder.sentence_modules[:1]


def change_skipped(encoder):
    encoder.skipped = 2


@pytest.mark.parametrize("change", [change_activation, change_dense, change_order, change_skipped])
def test_stored_embeddings_are_not_found_of_another_pipeline(tmp_path, make_encoder, tasks, change):
    model = MultiTaskModel(make_encoder(top=[Dense(16, 8, True, IDENTITY), Normalize()]), tasks, dropout=0.1)
    FreezeSpec(BACKBONE).apply(model)
    split = make_data(tasks).split("train")
    key = activations(model, tmp_path)._key(split)
    assert activations(model, tmp_path)._key(split) == key
    change(model.encoder)
    assert activations(model, tmp_path)._key(split) != key


def test_what_is_on_top_trains_on_stored_token_states(tmp_path, make_encoder, tasks):
    model = MultiTaskModel(make_encoder(top=[Dense(16, 8, True, IDENTITY)]), tasks, dropout=0.1)
    FreezeSpec(["encoder"], ["encoder.top"]).apply(model)
    plain, stored = make_data(tasks), make_data(tasks)
    stored.activations = lambda: activations(model, tmp_path).attach
    batch = stored.split("train")[list(range(48))]
    assert batch.depth == 2  # of three layers
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model.embed(batch), model.embed(plain.split("train")[list(range(48))]))


@pytest.mark.parametrize("top", [[], [Normalize()]])
@pytest.mark.parametrize("frozen", [BACKBONE, LOWER])
def test_attached_activations_of_windows_give_the_embeddings_of_the_encoder(
    tmp_path, make_encoder, tasks, monkeypatch, frozen, top
):
    monkeypatch.setattr(frozen_activations, "_CHUNK", 7)
    model = MultiTaskModel(make_encoder(top=top), tasks, dropout=0.0)
    FreezeSpec(frozen).apply(model)
    model.eval()

    def split(windows):
        texts = [" ".join(WORDS[row : row + 3 * row]) for row in range(25)]
        return TokenizedSplit(TextTokenizer(word_tokenizer(), 10, windows=windows).tokenize(texts), padding=0)

    rows = [3, 24, 9, 0]
    attached = split(9)
    expected = model.embed(attached[rows])
    activations(model, tmp_path).attach(attached, "train")
    assert attached.activations is not None
    torch.testing.assert_close(model.embed(attached[rows]), expected, atol=1e-5, rtol=1e-5)
    assert activations(model, tmp_path)._key(split(1)) != activations(model, tmp_path)._key(attached)
    other = split(9)
    object.__setattr__(other.sentences, "window", 20)
    assert activations(model, tmp_path)._key(other) != activations(model, tmp_path)._key(attached)
