"""Pooling: token states and their mask -> one embedding per sentence. Knows nothing about transformers or tasks.

Shapes: B sentences, S tokens, H hidden units.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from polyhead.errors import ParameterError, did_you_mean

Pooling = Literal["mean", "cls", "max"]
POOLINGS: tuple[str, ...] = get_args(Pooling)


def pool(states: Tensor, mask: Tensor | None, pooling: Pooling) -> Tensor:
    """Reduce token states (B, S, H) to embeddings (B, H), at least in single precision.

    The embedding of a sentence depends on its own tokens alone, on whichever side it is padded. ``mean`` is the default
    of Sentence-BERT (Reimers and Gurevych 2019, arXiv 1908.10084), which compares all three.

    >>> states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]])
    >>> pool(states, torch.tensor([[1, 1, 0]]), "mean")
    tensor([[2., 4.]])

    Args:
        states: token states (B, S, H).
        mask: (B, S), 1 for a token and 0 for padding; None if nothing is padded.
        pooling: ``mean`` over the tokens, ``cls`` for the first token, ``max`` over the tokens by hidden unit.

    Raises:
        ParameterError: an unknown pooling.
    """
    states = states.to(torch.promote_types(states.dtype, torch.float32))
    if mask is None:
        mask = states.new_ones(states.shape[:2])  # (B, S)
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)  # (B, S, 1)
        # The count is clamped to 1, not to a tiny number: half precision would round that to 0, and 0 / 0 is nan.
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    if pooling == "cls":
        first = mask.to(torch.int64).argmax(dim=1)  # (B,): not 0 where the padding stands on the left
        return states[torch.arange(len(states), device=states.device), first]
    if pooling == "max":
        padding = mask.unsqueeze(-1) == 0  # (B, S, 1)
        return states.masked_fill(padding, torch.finfo(states.dtype).min).amax(dim=1)
    raise ParameterError(f"pooling: unknown {pooling!r}; {did_you_mean(pooling, POOLINGS)}")
