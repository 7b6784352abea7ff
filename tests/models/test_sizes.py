import pytest
import torch
from torch import nn
from transformers import AutoConfig

from polyhead.models.sizes import fits_files, size_problems


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 1001),
        ("n_layers", 10**9),
        ("hidden_size", float("nan")),
        ("vocab_size", 10**9),
        ("hidden_size", -(10**9)),
    ],
)
def test_size_that_no_encoder_has_is_named(key, value):
    (line,) = size_problems({"model_type": "bert", "nested": {key: value}})
    assert line.startswith(f"{key}: ")


@pytest.mark.parametrize(
    "family", ["bert", "roberta", "modernbert", "distilbert", "mpnet", "llama", "t5", "deberta-v2"]
)
def test_sizes_of_the_library_s_own_architectures_are_allowed(family):
    assert list(size_problems(AutoConfig.for_model(family).to_dict())) == []


def test_weights_fit_files_with_a_byte_for_each(tmp_path):
    with torch.device("meta"):
        model = nn.Linear(10**6, 10**6, bias=False)
    assert fits_files(model, tmp_path)  # without any safetensors, which is another's to refuse
    (tmp_path / "a.safetensors").write_bytes(b"x" * 100)
    assert not fits_files(model, tmp_path)
    assert fits_files(nn.Linear(10, 10, bias=False), tmp_path)
