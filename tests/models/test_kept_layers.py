"""Kept layers: what they compute, which may be chosen, and what a folder of them holds."""

import pytest
import torch
from support.models import FAMILIES, random_batch
from transformers import AutoModel

from polyhead.errors import ParameterError
from polyhead.models.architecture import build_model, config_for
from polyhead.models.encoder import Encoder
from polyhead.models.kept_layers import choose_layers, compose_layers, keep_layers, may_be_layers


def tiny(family):
    torch.manual_seed(0)
    return build_model(config_for({"model_type": family, **FAMILIES[family]}, {})).eval()


def states(transformer, batch):
    with torch.no_grad():
        return transformer(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_layers_survive_saving(family, tmp_path):
    shorter, batch = keep_layers(tiny(family), [0, 2]).eval(), random_batch()
    shorter.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert loaded.config.num_hidden_layers == 2
    assert torch.equal(states(loaded, batch), states(shorter, batch))


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "distilbert", "deberta-v2", "electra"])
def test_lowest_layers_give_the_states_after_them(family):
    whole, batch = tiny(family), random_batch()
    expected = Encoder(whole, "mean").eval().lower_states(2, batch.input_ids, batch.attention_mask)
    lowest = Encoder(keep_layers(whole, 2), "mean").eval().transformer
    mask = batch.attention_mask.bool()
    torch.testing.assert_close(states(lowest, batch)[mask], expected[mask])


def test_kept_layers_are_those_that_were_named():
    whole = tiny("bert")
    shorter = keep_layers(whole, [0, 2])
    for kept, old in zip(shorter.encoder.layer, (0, 2), strict=True):
        for name, tensor in kept.state_dict().items():
            assert torch.equal(tensor, whole.encoder.layer[old].state_dict()[name])


def test_all_layers_leave_the_transformer_as_it_is():
    whole = tiny("bert")
    assert keep_layers(whole, None) is whole


def test_layers_that_cannot_stand_where_they_would_are_refused():
    with pytest.raises(ParameterError, match=r"layers: \[1, 2\] given; layers of a modernbert differ"):
        keep_layers(tiny("modernbert"), [1, 2])


@pytest.mark.parametrize(
    ("layers", "kept"), [(None, (0, 1, 2, 3)), (3, (0, 1, 2)), ([1, 3], (1, 3)), ("every_other", (0, 2))]
)
def test_choice_of_layers(layers, kept):
    assert choose_layers(layers, 4) == kept


@pytest.mark.parametrize("layers", [5, [0, 4]])
def test_choice_beyond_the_depth_is_refused(layers):
    with pytest.raises(ParameterError, match="and the encoder has 4, counted from 0"):
        choose_layers(layers, 4)


@pytest.mark.parametrize("layers", [0, -1, True, "half", [], [2, 0], [0, 0], [-1], ["0"], 1.5])
def test_values_that_choose_no_layers(layers):
    assert not may_be_layers(layers)


@pytest.mark.parametrize(
    ("outer", "inner", "kept"),
    [(None, 2, 2), ([1, 3, 5], None, [1, 3, 5]), ([1, 3, 5], 2, (1, 3)), ("every_other", [0, 2], (0, 4))],
)
def test_part_of_a_part(outer, inner, kept):
    assert compose_layers(outer, inner, 6) == kept
