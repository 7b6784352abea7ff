"""Embedder: texts -> embeddings, in order, in bounded memory. Knows nothing about tasks.

Shapes: N texts of a chunk, B texts of a batch, S tokens, W units of an embedding.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from polyhead.data.tokenization import TextTokenizer
from polyhead.inference.length_batches import for_inference, inference_copy
from polyhead.inference.packed_linear import pack_linear_layers
from polyhead.inference.text_runner import TextRunner
from polyhead.models.encoder import Encoder

MOST_STREAMS = 8
"""Batches side by side on a processor, at most, since each takes memory; beyond that several cores share a batch.

Cores that share a batch wait for each other hundreds of times in it; with a batch each they never do.
"""


class Embedder:
    """A frozen encoder with its tokenizer.

    Args:
        encoder: the encoder, which is copied unless it is owned.
        tokenizer: text -> token ids.
        precision: ``32-true``, or one that starts with ``bf16``.
        device: where to compute.
        owned: nobody else uses the encoder, and it may be changed.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: TextTokenizer,
        precision: str,
        device: torch.device,
        owned: bool = False,
    ) -> None:
        self.encoder = (for_inference if owned else inference_copy)(encoder, precision, device)
        pack_linear_layers(self.encoder)
        width, pool = self.encoder.embedding_size, self.encoder.pool_windows
        streams = min(torch.get_num_threads(), MOST_STREAMS) if device.type == "cpu" else 1
        self.runner = TextRunner(tokenizer, width, self.encoder, streams, pool, device)
        self.device = device

    @property
    def truncated(self) -> int:
        """Number of texts that were cut so far."""
        return self.runner.truncated

    def embed(self, texts: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings (N, W) of one chunk of texts after the other, in the order of the texts.

        Raises:
            UserError: one of them is no text.
        """
        return self.runner.run(texts)
