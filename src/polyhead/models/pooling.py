"""Pooling: token states and their mask -> one embedding per sentence. Knows nothing about transformers or tasks.

Shapes: B sentences, S tokens, H hidden units, P poolings.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from polyhead.errors import ParameterError, did_you_mean


def pool(states: Tensor, mask: Tensor | None, pooling: str | Sequence[str], skipped: int = 0) -> Tensor:
    """Reduce token states (B, S, H) to embeddings (B, P x H), at least in single precision.

    The embedding of a sentence depends on its own tokens alone, on whichever side it is padded. ``mean`` is the default
    of Sentence-BERT (Reimers and Gurevych 2019, arXiv 1908.10084), which compares it with ``cls`` and ``max``;
    ``weightedmean`` is of SGPT (Muennighoff 2022, arXiv 2202.08904).

    >>> states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]])
    >>> pool(states, torch.tensor([[1, 1, 0]]), "mean")
    tensor([[2., 4.]])

    Args:
        states: token states (B, S, H).
        mask: (B, S), 1 for a token and 0 for padding; None if nothing is padded.
        pooling: a name, or several, whose results stand side by side: ``mean`` over the tokens, ``cls`` for the first
            token, ``max`` over the tokens by hidden unit, ``mean_sqrt_len`` for their sum over the square root of
            their number, ``weightedmean`` with weights 1, 2, 3, ... by position, ``lasttoken``.
        skipped: tokens at the start of each sentence that do not count, those of a prompt.

    Raises:
        ParameterError: an unknown pooling.
    """
    names = pooling_names(pooling)
    states = states.to(torch.promote_types(states.dtype, torch.float32))
    if mask is None:
        mask = torch.ones(states.shape[:2], dtype=torch.int64, device=states.device)  # (B, S)
    tokens = mask.to(torch.int64)
    positions = tokens.cumsum(dim=1) * tokens  # (B, S): from 1 at the first token, 0 for padding
    counted = torch.where(positions > skipped, positions, 0)  # (B, S)
    return torch.cat([_POOLINGS[name](states, counted) for name in names], dim=1)


def pooling_names(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of one or several poolings, of those with two names ours.

    Raises:
        ParameterError: none, or an unknown one.
    """
    given = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    names = tuple(_OTHER_NAMES.get(name, name) if isinstance(name, str) else name for name in given)
    unknown = [name for name in names if not isinstance(name, str) or name not in POOLINGS]
    if unknown:
        raise ParameterError(f"pooling: unknown {unknown[0]!r}; {did_you_mean(str(unknown[0]), POOLINGS)}")
    if not names:
        raise ParameterError("pooling: an empty list given; name at least one, as mean")
    return names


# In what follows, positions (B, S) are 0 for whatever does not count.


def _sum(states: Tensor, weights: Tensor) -> Tensor:
    return (states * weights.unsqueeze(-1).to(states.dtype)).sum(dim=1)  # (B, H)


def _count(weights: Tensor, dtype: torch.dtype) -> Tensor:
    # The count is clamped to 1, not to a tiny number: half precision would round that to 0, and 0 / 0 is nan.
    return weights.sum(dim=1, keepdim=True).clamp(min=1).to(dtype)  # (B, 1)


def _mean(states: Tensor, positions: Tensor) -> Tensor:
    tokens = (positions > 0).long()
    return _sum(states, tokens) / _count(tokens, states.dtype)


def _mean_sqrt_len(states: Tensor, positions: Tensor) -> Tensor:
    tokens = (positions > 0).long()
    return _sum(states, tokens) / _count(tokens, states.dtype).sqrt()


def _weighted_mean(states: Tensor, positions: Tensor) -> Tensor:
    return _sum(states, positions) / _count(positions, states.dtype)


def _max(states: Tensor, positions: Tensor) -> Tensor:
    left_out = positions.unsqueeze(-1) == 0  # (B, S, 1)
    return states.masked_fill(left_out, torch.finfo(states.dtype).min).amax(dim=1)


def _first(states: Tensor, positions: Tensor) -> Tensor:
    return _state_at(states, (positions > 0).long().argmax(dim=1))  # not 0 where the padding stands on the left


def _last(states: Tensor, positions: Tensor) -> Tensor:
    return _state_at(states, positions.argmax(dim=1))  # positions rise up to the last token


def _state_at(states: Tensor, index: Tensor) -> Tensor:
    rows = torch.arange(states.shape[0], device=states.device)  # len() would make B a constant of a traced graph
    return states[rows, index]  # (B, H)


_POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "cls": _first,
    "max": _max,
    "mean_sqrt_len": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
_OTHER_NAMES = {"mean_sqrt_len_tokens": "mean_sqrt_len"}  # of sentence-transformers -> ours

POOLINGS = tuple(_POOLINGS)
"""The names that :func:`pool` knows."""
