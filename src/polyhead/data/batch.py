"""Batch: what the model is given in one step. Knows nothing about where sentences come from.

Shapes: B sentences, S tokens, H hidden units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

WHOLE = -1
"""The depth that stands for the whole encoder, pooling included."""


@dataclass
class Batch:
    """Tokenised sentences and their labels.

    Args:
        input_ids: token ids (B, S).
        attention_mask: (B, S), 1 for a token and 0 for padding; None when nothing is padded.
        labels: class index (B,) of each task, ``polyhead.tasks.MISSING`` where there is none.
        features: what the frozen part of the encoder gives for the sentences, where it is stored: token states
            (B, S, H) after ``depth`` layers, or embeddings (B, H) if ``depth`` is ``WHOLE``.
        depth: see ``features``.
        rows: which sentences of the split these are (B,); None where nobody needs to know.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    labels: dict[str, Tensor]
    features: Tensor | None = None
    depth: int = 0
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.input_ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Move all tensors to ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Copy all tensors to page-locked memory, from which a GPU reads without waiting."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        def optional(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else function(tensor)

        return type(self)(
            function(self.input_ids),
            optional(self.attention_mask),
            {name: function(tensor) for name, tensor in self.labels.items()},
            optional(self.features),
            self.depth,
            optional(self.rows),
        )
