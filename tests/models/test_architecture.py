import pytest
import torch
from support.models import FAMILIES

from polyhead.errors import ParameterError
from polyhead.models.architecture import build_model, config_for

TOKENIZER = {"vocab_size": 100, "pad_token_id": 0}
BERT = {"model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2}


@pytest.mark.parametrize("family", FAMILIES)
def test_architecture_of_every_family_is_built_without_memory(family):
    with torch.device("meta"):
        model = build_model(config_for({"model_type": family, **FAMILIES[family]}, TOKENIZER))
    assert model.config.model_type == family
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "brt"}, "architecture.model_type: 'brt' is no encoder of transformers; did you mean 'bert'"),
        ({"model_type": 33}, "architecture.model_type: 33 is no encoder of transformers; Valid: albert"),
        ({"model_type": None}, "architecture.model_type: None is no encoder"),
        ({"hidden_sise": 24}, "architecture.hidden_sise: bert has no such entry; did you mean 'hidden_size'"),
        ({"hidden_size": 0}, "architecture.hidden_size: 0 given; it must be a whole number, 1 to 1000000"),
        ({"hidden_size": float("nan")}, "architecture.hidden_size: nan given"),
        ({"hidden_size": True}, "architecture.hidden_size: True given"),
        ({"num_hidden_layers": 10**9}, "architecture.num_hidden_layers: 1000000000 given; it must be a whole number"),
        ({"type_vocab_size": 0}, "architecture.type_vocab_size: 0 given"),
        ({"layer_norm_eps": float("inf")}, "architecture.layer_norm_eps: inf given; it must be 0 or more, and finite"),
        ({"hidden_dropout_prob": 1.5}, "architecture.hidden_dropout_prob: 1.5 given; it must be 0 to 1"),
        ({"vocab_size": 7}, "architecture.vocab_size: 7 given; the tokenizer decides, and has 100"),
        ({"hidden_act": 5}, "architecture: no bert can be made of it"),
    ],
)
def test_architecture_that_no_model_has_is_refused_in_a_line(changes, message):
    with pytest.raises(ParameterError) as caught:
        config_for(BERT | changes, TOKENIZER)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_architecture_whose_sizes_do_not_go_together_is_refused_in_a_line():
    with pytest.raises(ParameterError, match=r"^architecture: no bert can be made of it \(The hidden size \(25\)"):
        build_model(config_for(BERT | {"hidden_size": 25}, TOKENIZER))
