import pytest
import torch

from polyhead.errors import UserError
from polyhead.models.pooling import POOLINGS, pool

B, S, H = 3, 5, 4


def padded(states, amount, side):
    """Pad states (B, S, H) with garbage on one side; return them with their mask."""
    garbage = torch.full((len(states), amount, states.shape[2]), 1e4)
    ones, zeros = torch.ones(len(states), states.shape[1]), torch.zeros(len(states), amount)
    parts = [(states, ones), (garbage, zeros)]
    left, right = parts if side == "right" else parts[::-1]
    return torch.cat([left[0], right[0]], 1), torch.cat([left[1], right[1]], 1).long()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_does_not_count(pooling, side):
    states = torch.randn(B, S, H)
    expected = pool(states, None, pooling)
    assert torch.equal(pool(*padded(states, 3, side), pooling), expected)


def test_mean_by_hand():
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    assert pool(states, torch.tensor([[1, 1, 0]]), "mean").tolist() == [[2.0, 4.0]]


def test_max_by_hand():
    states = torch.tensor([[[-1.0, 2.0], [-3.0, 6.0], [100.0, 100.0]]])
    assert pool(states, torch.tensor([[1, 1, 0]]), "max").tolist() == [[-1.0, 6.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_states_are_pooled_in_single_precision(dtype):
    states = torch.randn(B, 600, H, dtype=dtype)  # 600 tokens: a bfloat16 count would be off
    result = pool(states, torch.ones(B, 600), "mean")
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, states.double().mean(1).float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_row_without_tokens_is_finite(dtype):
    states, mask = torch.randn(B, S, H, dtype=dtype), torch.zeros(B, S)
    assert pool(states, mask, "mean").abs().max() == 0


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_reaches_tokens_and_not_padding(pooling):
    states = torch.randn(1, S, H, requires_grad=True)
    pool(states, torch.tensor([[1, 1, 1, 0, 0]]), pooling).sum().backward()
    assert states.grad[0, :3].abs().sum() > 0
    assert states.grad[0, 3:].abs().sum() == 0


def test_an_unknown_pooling_is_refused():
    with pytest.raises(UserError, match="unknown 'meen'; did you mean 'mean'"):
        pool(torch.randn(B, S, H), None, "meen")
