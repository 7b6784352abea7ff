import pytest
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import AdamW

from polyhead.training.gradient_clipping import clip_gradients


def make_weights():
    draw = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=draw)) for shape in [(5, 7), (7,), (3, 5)]]


def give_gradients(weights, step):
    draw = torch.Generator().manual_seed(step)
    for number, weight in enumerate(weights):
        size = 10.0 ** -(step + number % 2)  # above the limit in early steps, below it in later ones
        weight.grad = torch.randn(weight.shape, generator=draw) * size
    weights[step % 3].grad = None  # as what is frozen in this step has none


def steps(clip, **options):
    """Return the weights after some steps, and the gradients that the last one left."""
    weights = make_weights()
    optimizer = AdamW(
        [{"params": weights[:2], "weight_decay": 0.1}, {"params": weights[2:], "lr": 0.01}], lr=0.1, **options
    )
    for step in range(6):
        give_gradients(weights, step)
        clip(optimizer, weights)
        optimizer.step()
    return weights, [weight.grad for weight in weights if weight.grad is not None]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("limit", [0.01, 1.0, 1000.0])
def test_gradient_clipping_equals_that_of_torch(fused, limit):
    clipped = steps(lambda optimizer, _: clip_gradients(optimizer, limit), fused=fused)
    reference = steps(lambda _, weights: clip_grad_norm_(weights, limit), fused=fused)
    for found, expected in zip(clipped, reference, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("fused", [True, False])
def test_gradient_clipping_by_value_equals_that_of_torch(fused):
    clipped, _ = steps(lambda optimizer, _: clip_gradients(optimizer, 0.05, "value"), fused=fused)
    reference, _ = steps(lambda _, weights: clip_grad_value_(weights, 0.05), fused=fused)
    torch.testing.assert_close(clipped, reference)


def test_gradient_clipping_passes_on_what_is_not_finite():
    weights = make_weights()
    optimizer = AdamW(weights, fused=True)
    for weight in weights:
        weight.grad = torch.full_like(weight, torch.nan)
    clip_gradients(optimizer, 1.0)
    optimizer.step()
    assert all(weight.isnan().all() for weight in weights)
