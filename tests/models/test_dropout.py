import pytest
import torch
from support.models import FAMILIES, random_batch
from torch import nn
from transformers import AutoConfig, AutoModel

from polyhead.models.dropout import FastDropout, set_dropout, use_fast_dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(400, 501), (7, 13, 2203)])
def test_fast_dropout_has_the_share_and_the_mean_of_dropout(p, dtype, shape):
    dropped = FastDropout(p)(torch.ones(shape, dtype=dtype)).float()
    count = dropped.numel()
    kept = dropped[dropped != 0]
    assert kept.unique().numel() == 1
    assert kept[0] == pytest.approx(1 / (1 - p), rel=1e-2 if dtype == torch.bfloat16 else 1e-4)
    share = 1 - kept.numel() / count
    assert abs(share - p) < 5 * (p * (1 - p) / count) ** 0.5  # five standard deviations


def test_fast_dropout_drops_neighbors_independently():
    kept = (FastDropout(0.5)(torch.ones(1_000_000)) != 0).double()
    for shift in (1, 2, 3, 4, 5):
        correlation = torch.corrcoef(torch.stack([kept[:-shift], kept[shift:]]))[0, 1]
        assert abs(correlation) < 5 / 1000


def test_fast_dropout_passes_gradients_to_what_it_keeps():
    states = torch.ones(1000, requires_grad=True)
    dropped = FastDropout(0.3)(states)
    dropped.sum().backward()
    assert torch.equal(states.grad, dropped.detach())


def test_fast_dropout_does_nothing_in_evaluation():
    states = torch.randn(10)
    assert FastDropout(0.5).eval()(states) is states
    assert FastDropout(0.0)(states) is states


def test_fast_dropout_follows_the_seed():
    def once():
        torch.manual_seed(1)
        return FastDropout(0.5)(torch.ones(100))

    assert torch.equal(once(), once())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5])
def test_fast_dropout_takes_any_size(size):
    assert FastDropout(0.5)(torch.ones(size)).shape == (size,)


def test_use_fast_dropout_keeps_mode_and_share():
    network = nn.Sequential(
        nn.Dropout(0.25), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5).eval()), nn.AlphaDropout(0.1)
    )
    use_fast_dropout(network)
    assert [type(m).__name__ for m in network] == ["FastDropout", "Sequential", "AlphaDropout"]
    assert (network[0].p, network[1][1].p) == (0.25, 0.5)
    assert (network[0].training, network[1][1].training) == (True, False)


@pytest.mark.parametrize("family", FAMILIES)
def test_set_dropout_leaves_none_of_any_family_and_brings_it_back(family):
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family])).train()
    use_fast_dropout(model)
    batch = random_batch()

    def states():
        return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state

    set_dropout(model, 0.0)
    trained = states()
    torch.testing.assert_close(trained, model.eval()(batch.input_ids, batch.attention_mask).last_hidden_state)
    set_dropout(model.train(), 0.5)
    assert not torch.allclose(states(), trained, atol=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_set_dropout_reaches_attention(family):
    model = AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family]))
    set_dropout(model, 0.5)
    ends = ("attention", "attn", "attention.self")
    attention = [module for name, module in model.named_modules() if name.lower().endswith(ends)]
    shares = [
        value.p if isinstance(value, nn.Dropout) else value
        for module in attention
        for name, value in (*vars(module).items(), *module.named_children())
        if "dropout" in name and isinstance(value, float | nn.Dropout)
    ]
    assert shares
    assert set(shares) == {0.5}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_fast_dropout_on_a_gpu_is_torchs_own():
    dropped = FastDropout(0.5)(torch.ones(100_000, device="cuda"))
    assert 0.49 < (dropped == 0).float().mean() < 0.51
