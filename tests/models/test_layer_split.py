import pytest
import torch
from support.models import FAMILIES, VOCABULARY
from transformers import AutoConfig, AutoModel

from polyhead.models.encoder import Encoder

MORE = {
    "deberta-v2": {
        **FAMILIES["bert"],
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "position_buckets": 8,
    },
    "electra": {**FAMILIES["bert"], "embedding_size": 8},
    "xlm-roberta": FAMILIES["bert"],
}


def make(family):
    settings = {**FAMILIES, **MORE}[family]
    return Encoder(AutoModel.from_config(AutoConfig.for_model(family, **settings)), "mean").eval()


def sentences():
    lengths = torch.tensor([11, 4, 7])
    mask = (torch.arange(11) < lengths[:, None]).long()
    return torch.randint(3, VOCABULARY, (3, 11)) * mask, mask


@pytest.mark.parametrize("family", [*FAMILIES, *MORE])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("padded", [True, False])
def test_two_parts_give_the_embeddings_of_the_whole_bit_for_bit(family, depth, padded):
    encoder = make(family)
    ids, mask = sentences()
    mask = mask if padded else None
    whole = encoder(ids, mask)
    assert torch.equal(encoder.embed_states(depth, encoder.lower_states(depth, ids, mask), mask), whole)


@pytest.mark.parametrize("family", [*FAMILIES, *MORE])
def test_gradients_reach_the_layers_above_and_none_below(family):
    encoder = make(family)
    ids, mask = sentences()
    with torch.no_grad():
        states = encoder.lower_states(2, ids, mask)
    encoder.embed_states(2, states, mask).sum().backward()
    assert all(p.grad is not None for name, p in encoder.layers[2].named_parameters() if "conv" not in name)
    assert all(p.grad is None for p in encoder.layers[:2].parameters())


def test_split_leaves_the_transformer_as_it_was():
    encoder = make("bert")
    names = [name for name, _ in encoder.named_modules()]
    ids, mask = sentences()
    before = encoder(ids, mask)
    encoder.embed_states(1, encoder.lower_states(1, ids, mask), mask)
    assert [name for name, _ in encoder.named_modules()] == names
    assert torch.equal(encoder(ids, mask), before)
