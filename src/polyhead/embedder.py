"""Embedder: texts -> embeddings, in order, in memory that does not grow with their number. Knows nothing about tasks.

Shapes: N texts of a chunk, S tokens, H hidden units.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from polyhead.data import TextOnly, tokenise
from polyhead.encoder import Encoder
from polyhead.encoding import encode_rows, inference_copy
from polyhead.packing import pack_linear_layers

CHUNK = 16_384
"""Texts sorted by length together: enough for full batches of each length, few enough to fit in little memory."""


class Embedder:
    """A frozen encoder with its tokenizer.

    Args:
        encoder: its weights are copied.
        tokenizer: text -> token ids.
        max_length: longest text in tokens; what is longer is cut.
        precision: ``32-true``, or one that starts with ``bf16``.
        device: where to compute.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        precision: str,
        device: torch.device,
    ) -> None:
        self.encoder = inference_copy(encoder, precision, device)
        pack_linear_layers(self.encoder)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.device = device
        self.truncated = 0

    def embed(self, texts: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings (N, H) of one chunk of texts after the other, in the order of the texts.

        ``truncated`` counts the texts that were cut.
        """
        remaining = iter(texts)
        while chunk := list(islice(remaining, CHUNK)):
            split, truncated = tokenise(map(TextOnly, chunk), (), self.tokenizer, self.max_length)
            self.truncated += truncated
            embeddings = np.empty((len(chunk), self.encoder.hidden_size), dtype=np.float32)

            def receive(rows: NDArray[np.int64], values: Tensor, into: NDArray[np.float32] = embeddings) -> None:
                into[rows] = values.float().cpu().numpy()

            encode_rows(split.tokens, split.offsets, self._encode, receive)
            yield embeddings

    def _encode(self, ids: Tensor) -> Tensor:
        embeddings: Tensor = self.encoder(ids.to(self.device))
        return embeddings
