"""Fitting weights: a transformer that is mapped from its file is the one that transformers loads."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.models import FAMILIES, TINY
from transformers import AutoConfig, AutoModel, BertConfig, BertModel

from polyhead.models.fitting_weights import load_fitting

FILE = "model.safetensors"


def save(folder, family="bert", **sizes):
    AutoModel.from_config(AutoConfig.for_model(family, **{**FAMILIES[family], **sizes})).save_pretrained(folder)


def fitting(folder, draws=True):
    with torch.device("meta"):
        skeleton = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    return load_fitting(AutoConfig.from_pretrained(folder), skeleton, folder, draws)


def change(folder, do):
    save_file(do(load_file(folder / FILE)), folder / FILE, {"format": "pt"})


def described(model):
    """What is to be equal of two models, and comparable."""
    modules = [(name, type(module), module.training) for name, module in model.named_modules()]
    config = model.config
    return modules, config.to_dict(), config.name_or_path, config._attn_implementation


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def without_pooler(model):
    if getattr(model, "pooler", None) is not None:
        model.register_module("pooler", None)  # no encoder has one
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_fitting_weights_are_those_that_transformers_loads(tmp_path, family):
    save(tmp_path, family)
    state = torch.get_rng_state()
    ours = fitting(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    theirs = without_pooler(AutoModel.from_pretrained(tmp_path, dtype=torch.float32, use_safetensors=True))
    assert described(ours) == described(theirs)
    found, expected = tensors(ours), tensors(theirs)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert all(parameter.requires_grad for parameter in ours.parameters())
    assert ours.dtype == torch.float32


def test_fitting_weights_may_be_changed_without_the_file(tmp_path):
    save(tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with torch.no_grad():
        for parameter in fitting(tmp_path).parameters():
            parameter.zero_()
    assert (tmp_path / FILE).read_bytes() == before


def test_fitting_weights_may_hold_what_the_model_computes(tmp_path):
    save(tmp_path)  # as old files of BERT have it
    positions = torch.arange(TINY["max_position_embeddings"])[None]
    change(tmp_path, lambda weights: {**weights, "embeddings.position_ids": positions})
    assert fitting(tmp_path) is not None


def drop(weights):
    return {name: tensor for name, tensor in weights.items() if name != "encoder.layer.1.output.dense.bias"}


OTHERS = {
    "a missing weight": lambda folder: change(folder, drop),
    "one too many": lambda folder: change(folder, lambda weights: {**weights, "more": torch.zeros(1)}),
    "names with a prefix": lambda folder: change(folder, lambda w: {f"bert.{name}": it for name, it in w.items()}),
    "half precision": lambda folder: change(folder, lambda w: {name: it.half() for name, it in w.items()}),
    "other sizes": lambda folder: BertConfig(**{**TINY, "intermediate_size": 8}).save_pretrained(folder),
    "a damaged file": lambda folder: (folder / FILE).write_bytes(b"damaged"),
    "no file": lambda folder: (folder / FILE).unlink(),
    "an adapter": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "a list of parts": lambda folder: (folder / f"{FILE}.index.json").write_text("{}"),
    "quantized weights": lambda folder: (folder / "config.json").write_text(
        json.dumps({**json.loads((folder / "config.json").read_text()), "quantization_config": {"bits": 4}})
    ),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_fitting_weights_leave_all_other_folders_to_transformers(tmp_path, make):
    save(tmp_path)
    make(tmp_path)
    assert fitting(tmp_path) is None


def test_fitting_weights_without_a_pooler_are_taken_where_nothing_has_to_be_drawn(tmp_path):
    BertModel(BertConfig(**TINY), add_pooling_layer=False).save_pretrained(tmp_path)
    assert fitting(tmp_path) is None  # transformers draws a pooler, and the numbers after it differ
    assert fitting(tmp_path, draws=False).pooler is None
