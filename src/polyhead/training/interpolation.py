"""Interpolation: weights between those of the start and those of the end. Knows nothing about training."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from polyhead.freezing.lora import FACTOR_A


def copy_weights(model: nn.Module, frozen: Collection[int] = ()) -> dict[str, Tensor]:
    """Return copies of the parameters of a model by name, but for some that are never trained.

    Args:
        model: as it is before training.
        frozen: identities (``id``) of those.
    """
    trained = [(name, weights) for name, weights in model.named_parameters() if id(weights) not in frozen]
    return {name: weights.detach().clone() for name, weights in trained}


def interpolate(model: nn.Module, start: Mapping[str, Tensor], share: float) -> None:
    """Move the weights of a model back towards earlier ones.

    .. math:: w = (1 - share) \\, w_{start} + share \\, w_{trained}

    WiSE-FT (Wortsman et al. 2022, "Robust Fine-Tuning of Zero-Shot Models", arXiv 2109.01903): the path between the two
    often leads over weights that are better than both ends on other data, and as good on those trained on. The update
    that LoRA makes to a weight is a product BA, which starts at 0 with B: B alone moves back, and so the product does.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> start = copy_weights(model)
    >>> _ = model.weight.data.add_(4)
    >>> interpolate(model, start, 0.75)
    >>> (model.weight.data - start["weight"]).item()
    3.0

    Args:
        model: as training has left it.
        start: weights of the start, as :func:`copy_weights` gave them.
        share: of the way from the start, 0 to 1.
    """
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name in start and FACTOR_A not in name:
                weights.copy_(torch.lerp(start[name].to(weights.device), weights, share))
