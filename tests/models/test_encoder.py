from functools import partialmethod

import pytest
import torch
from support.models import FAMILIES, VOCABULARY, random_batch
from torch import nn

from polyhead.errors import UserError
from polyhead.models.encoder import Encoder


@pytest.mark.parametrize("family", FAMILIES)
def test_embedding_depends_on_its_own_sentence_alone(make_encoder, family):
    encoder = make_encoder(family)
    sentence = torch.randint(3, VOCABULARY, (1, 6))
    alone = encoder(sentence)
    ids = torch.randint(3, VOCABULARY, (4, 15))
    ids[2, :6], ids[2, 6:] = sentence[0], 0
    mask = torch.ones(4, 15).long()
    mask[2, 6:] = 0
    torch.testing.assert_close(encoder(ids, mask)[2:3], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_mask_without_padding_changes_nothing(make_encoder, family):
    encoder = make_encoder(family)
    ids = torch.randint(3, VOCABULARY, (4, 9))
    torch.testing.assert_close(encoder(ids, torch.ones_like(ids)), encoder(ids, None), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_and_layers_are_found(make_encoder, family):
    encoder = make_encoder(family)
    assert len(encoder.layers) == 3
    assert encoder.hidden_size == 16
    below = {id(p) for module in encoder.embeddings for p in module.parameters()}
    above = {id(p) for p in encoder.layers.parameters()}
    rest = {id(p) for p in encoder.parameters()} - below - above
    assert below
    assert above
    assert not below & above
    names = [name for name, p in encoder.named_parameters() if id(p) in rest]
    assert all("final_norm" in name for name in names), names


def test_shared_position_biases_count_among_the_embeddings(make_encoder):
    encoder = make_encoder("mpnet")
    bias = encoder.transformer.encoder.relative_attention_bias
    assert any(module is bias for module in encoder.embeddings)


def test_encoder_has_a_gradient_for_every_parameter(make_encoder):
    encoder = make_encoder("bert").train()
    encoder(torch.randint(3, VOCABULARY, (4, 9))).sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


def test_encoder_refuses_a_network_without_layers():
    class Layerless(nn.Module):
        class config:  # noqa: N801
            num_hidden_layers = 3
            model_type = "layerless"

    with pytest.raises(UserError, match="'layerless' has no list of 3 layers"):
        Encoder(Layerless(), "mean")


@pytest.mark.slow
def test_compiled_layers_give_the_same_embeddings_whole_and_from_the_middle(make_encoder, monkeypatch):
    without_code = partialmethod(nn.Module.compile, backend="aot_eager")  # traced as ever, but no C++ is built
    monkeypatch.setattr(nn.Module, "compile", without_code)
    encoder = make_encoder("bert").eval()
    batch = random_batch()
    with torch.no_grad():
        whole = encoder(batch.input_ids, batch.attention_mask)
        states = encoder.lower_states(1, batch.input_ids, batch.attention_mask)
        names = list(encoder.state_dict())
        encoder.compile_layers()
        torch.testing.assert_close(encoder(batch.input_ids, batch.attention_mask), whole)
        torch.testing.assert_close(encoder.embed_states(1, states, batch.attention_mask), whole)
    assert list(encoder.state_dict()) == names
