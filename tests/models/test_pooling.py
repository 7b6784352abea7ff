import pytest
import torch

from polyhead.errors import ParameterError
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
def test_pool_ignores_padding(pooling, side):
    states = torch.randn(B, S, H)
    expected = pool(states, None, pooling)
    assert torch.equal(pool(*padded(states, 3, side), pooling), expected)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_of_sentences_that_lie_apart_is_that_of_each_alone(pooling):
    states, places = torch.randn(B, S, H), [(0, 2), (1, 5), (3, 4)]
    mask = torch.zeros(B, S)
    for row, (start, end) in enumerate(places):
        mask[row, start:end] = 1
    alone = [pool(states[row : row + 1, start:end], None, pooling) for row, (start, end) in enumerate(places)]
    torch.testing.assert_close(pool(states, mask, pooling), torch.cat(alone))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_of_a_single_token_is_its_state(pooling):
    states = torch.randn(B, 1, H)
    assert torch.equal(pool(states, None, pooling), states[:, 0])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("mean", [-2.0, 4.0]), ("max", [-1.0, 6.0]), ("cls", [-1.0, 2.0]), ("lasttoken", [-3.0, 6.0])],
)
def test_pool_by_hand(pooling, expected):
    states = torch.tensor([[[-1.0, 2.0], [-3.0, 6.0], [100.0, 100.0]]])
    assert pool(states, torch.tensor([[1, 1, 0]]), pooling).tolist() == [expected]


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.bool, torch.float32])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_takes_masks_of_any_type(pooling, kind):
    states, mask = torch.randn(B, S, H), torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 1, 1]])
    assert torch.equal(pool(states, mask.to(kind), pooling), pool(states, mask, pooling))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pool_of_half_precision_states_is_in_single_precision(pooling, dtype):
    states = torch.randn(B, 600, H, dtype=dtype)  # 600 tokens: a bfloat16 count would be off
    result = pool(states, torch.ones(B, 600), pooling)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, pool(states.double(), None, pooling).float())


def test_pool_keeps_double_precision():
    states = torch.randn(B, S, H, dtype=torch.float64)
    assert torch.equal(pool(states, None, "max"), states.amax(dim=1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_of_a_row_without_tokens_is_finite(pooling, dtype):
    states, mask = torch.randn(B, S, H, dtype=dtype), torch.zeros(B, S)
    assert pool(states, mask, pooling).isfinite().all()
    assert pool(states, mask, "mean").abs().max() == 0


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_passes_gradients_to_tokens_and_none_to_padding(pooling):
    states = torch.randn(1, S, H, requires_grad=True)
    pool(states, torch.tensor([[1, 1, 1, 0, 0]]), pooling).sum().backward()
    assert states.grad[0, :3].abs().sum() > 0
    assert states.grad[0, 3:].abs().sum() == 0


def test_pool_refuses_an_unknown_pooling():
    with pytest.raises(ParameterError, match="^pooling: unknown 'meen'; did you mean 'mean'"):
        pool(torch.randn(B, S, H), None, "meen")


def test_pool_of_several_stands_side_by_side():
    states = torch.randn(B, 5, 4)
    mask = torch.tensor([[1, 1, 1, 0, 0]] * B)
    found = pool(states, mask, POOLINGS)
    assert torch.equal(found, torch.cat([pool(states, mask, name) for name in POOLINGS], dim=1))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "weightedmean"])
def test_pool_of_skipped_tokens_is_that_of_the_others(pooling, side):
    states = torch.randn(B, 7, 4)
    assert torch.equal(pool(*padded(states, 3, side), pooling, skipped=2), pool(states[:, 2:], None, pooling))


def test_weighted_mean_of_skipped_tokens_keeps_the_weights_of_the_others():
    states = torch.tensor([[[5.0], [1.0], [2.0]]])
    torch.testing.assert_close(pool(states, None, "weightedmean", skipped=1), torch.tensor([[(2 * 1 + 3 * 2) / 5]]))


class AllPoolings(torch.nn.Module):
    def forward(self, states, mask):
        return pool(states, mask, POOLINGS)


@pytest.mark.slow
def test_pool_is_traced_for_any_number_of_sentences_and_tokens():
    """Where one is kept as a constant, the export of a graph traces twice, the second time by the compiler."""
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    given = torch.randn(B, S, H), torch.ones(B, S, dtype=torch.int64)
    program = torch.export.export(AllPoolings(), given, dynamic_shapes=(free, free), strict=False)
    states, mask = padded(torch.randn(B + 4, S, H), 2, "right")
    torch.testing.assert_close(program.module()(states, mask), pool(states, mask, POOLINGS))
