"""Batch: the input of the model in one step. Knows nothing about where sentences come from.

Shapes: B sentences, P second texts, X texts: the sentences and after them the second texts, S tokens, H hidden units,
R windows: rows of tokens, one for each text unless it is long, W units of an embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass
class Batch:
    """Tokenized sentences and their labels.

    Args:
        input_ids: token ids (R, S).
        attention_mask: (R, S), 1 for a token and 0 for padding; None if nothing is padded.
        labels: target by task, class indices or numbers (B,), or a 0 or 1 for each class (B, C); see
            :func:`polyhead.tasks.is_labelled` for those that are missing.
        activations: stored output of the frozen part of the encoder for these texts: token states (R, S, H) after
            the lowest ``depth`` layers, or embeddings (X, H) if ``depth`` is None; None if none are stored.
        depth: number of layers that the stored activations replace, or None for all layers and the pooling; 0 if none
            are stored.
        rows: position of each sentence in its split (B,); None if it is not needed.
        weights: how much each sentence counts in the loss (B,); None where all count alike.
        windows: of each text (X,), in rows that follow each other; None where each has one, and R is X.
        targets: embeddings (X, W) to which those of these texts are held; None where they are not.
        pairs: the sentences that have a second text, by their place in the batch (P,); None where none has one.
        answers: logits of a teacher's heads by task, which the heads learn; None where there is no teacher.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    labels: dict[str, Tensor]
    activations: Tensor | None = None
    depth: int | None = 0
    rows: Tensor | None = None
    weights: Tensor | None = None
    windows: Tensor | None = None
    targets: Tensor | None = None
    pairs: Tensor | None = None
    answers: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        texts = len(self.input_ids if self.windows is None else self.windows)
        return texts if self.pairs is None else texts - len(self.pairs)

    @property
    def lengths(self) -> Tensor:
        """Tokens of each row (R,)."""
        mask = torch.ones_like(self.input_ids) if self.attention_mask is None else self.attention_mask
        return mask.sum(dim=1)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Copy all tensors to ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Copy all tensors to page-locked memory, from which a GPU reads without waiting."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        def optional(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else function(tensor)

        return type(self)(
            input_ids=function(self.input_ids),
            attention_mask=optional(self.attention_mask),
            labels={name: function(tensor) for name, tensor in self.labels.items()},
            activations=optional(self.activations),
            depth=self.depth,
            rows=optional(self.rows),
            weights=optional(self.weights),
            windows=optional(self.windows),
            targets=optional(self.targets),
            pairs=optional(self.pairs),
            answers=None if self.answers is None else {name: function(some) for name, some in self.answers.items()},
        )


def join_pairs(first: Batch, second: Batch, pairs: Tensor, padding: int) -> Batch:
    """Return a batch with second texts behind its sentences, so that one pass of the encoder has them all.

    Args:
        first: the sentences, with all that belongs to them.
        second: P second texts, without labels.
        pairs: the sentences that they belong to, in this order (P,).
        padding: token id that fills up shorter texts.
    """
    parts = (first, second)
    tokens = max(part.input_ids.shape[1] for part in parts)
    masks = [_mask(part) for part in parts]
    mask = torch.cat([_filled(one, tokens, 0) for one in masks])
    windows = None
    if first.windows is not None or second.windows is not None:
        windows = torch.cat([_windows(part) for part in parts])
    return replace(
        first,
        input_ids=torch.cat([_filled(part.input_ids, tokens, padding) for part in parts]),
        attention_mask=None if mask.all() else mask,
        activations=_joined_activations(first, second, tokens),
        windows=windows,
        targets=None if first.targets is None or second.targets is None else torch.cat([first.targets, second.targets]),
        pairs=pairs,
    )


def _joined_activations(first: Batch, second: Batch, tokens: int) -> Tensor | None:
    if first.activations is None or second.activations is None:
        return None
    parts = [first.activations, second.activations]
    return torch.cat(parts if first.depth is None else [_filled(part, tokens, 0) for part in parts])


def _mask(batch: Batch) -> Tensor:
    return torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask


def _windows(batch: Batch) -> Tensor:
    return torch.ones(len(batch.input_ids), dtype=torch.int64) if batch.windows is None else batch.windows


def _filled(values: Tensor, tokens: int, fill: int) -> Tensor:
    """Return values (R, S, ...) filled up to ``tokens`` places on the right."""
    missing = values.new_full((len(values), tokens - values.shape[1], *values.shape[2:]), fill)
    return torch.cat([values, missing], dim=1)
