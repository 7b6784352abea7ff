"""Batch: the input of the model in one step. Knows nothing about where sentences come from.

Shapes: B sentences, S tokens, H hidden units, R windows: rows of tokens, one for each sentence unless it is long,
W units of an embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
        activations: stored output of the frozen part of the encoder for these sentences: token states (R, S, H) after
            the lowest ``depth`` layers, or embeddings (B, H) if ``depth`` is None; None if none are stored.
        depth: number of layers that the stored activations replace, or None for all layers and the pooling; 0 if none
            are stored.
        rows: position of each sentence in its split (B,); None if it is not needed.
        weights: how much each sentence counts in the loss (B,); None where all count alike.
        windows: of each sentence (B,), in rows that follow each other; None where each has one, and R is B.
        targets: embeddings (B, W) to which those of these sentences are held; None where they are not.
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
    answers: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.input_ids if self.windows is None else self.windows)

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
            answers=None if self.answers is None else {name: function(some) for name, some in self.answers.items()},
        )
