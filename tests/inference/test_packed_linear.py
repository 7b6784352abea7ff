import copy

import pytest
import torch
from support.models import FAMILIES, VOCABULARY
from torch import nn

from polyhead.inference import packed_linear
from polyhead.inference.packed_linear import PackedLinear, can_pack, pack_linear_layers

pytestmark = pytest.mark.skipif(not can_pack(), reason="this build of torch cannot pack")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("shape", [(1, 48), (5, 48), (3, 7, 48), (64, 33, 48)])
def test_packed_linear_gives_what_the_linear_layer_gives(bias, dtype, tolerance, shape):
    if not can_pack(dtype):
        pytest.skip(f"this processor cannot pack {dtype}")
    linear = nn.Linear(48, 20, bias=bias).to(dtype)
    states = torch.randn(shape, dtype=dtype)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(linear)(states), linear(states), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_encoders_of_every_family_give_the_same_embeddings(make_encoder, family):
    encoder = make_encoder(family)
    packed = copy.deepcopy(encoder)
    pack_linear_layers(packed)
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    ids = torch.randint(3, VOCABULARY, (4, 9))
    with torch.inference_mode():
        torch.testing.assert_close(packed(ids), encoder(ids), atol=1e-5, rtol=1e-5)


@pytest.fixture
def no_bfloat16(monkeypatch):
    reorder = torch.ops.mkldnn._reorder_linear_weight

    def refuse_bfloat16(weight, rows):
        if weight.dtype == torch.bfloat16:  # as on processors with AVX2 alone
            raise RuntimeError("mkldnn_reorder_linear_weight: bf16 path needs the cpu support avx512bw")
        return reorder(weight, rows)

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", refuse_bfloat16)
    can_pack.cache_clear()
    yield
    can_pack.cache_clear()


def test_packing_leaves_a_precision_that_the_processor_cannot_pack(make_encoder, no_bfloat16):
    encoder = make_encoder().to(torch.bfloat16)
    pack_linear_layers(encoder)
    assert not any(isinstance(module, PackedLinear) for module in encoder.modules())
    assert encoder(torch.randint(3, VOCABULARY, (4, 9))).isfinite().all()
    pack_linear_layers(single := make_encoder())
    assert any(isinstance(module, PackedLinear) for module in single.modules())


def test_packing_does_nothing_if_torch_cannot_pack(make_encoder, monkeypatch):
    monkeypatch.setattr(packed_linear, "can_pack", lambda dtype: False)
    encoder = make_encoder()
    pack_linear_layers(encoder)
    assert not any(isinstance(module, PackedLinear) for module in encoder.modules())
