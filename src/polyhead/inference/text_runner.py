"""Texts through a network: what it gives for each text, in order, in memory that does not grow with their number.

Knows nothing about what the network is. Shapes: N texts of a chunk, B texts of a batch, S tokens, W numbers a text.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from polyhead.data.tokenization import token_ids
from polyhead.errors import UserError
from polyhead.inference.length_batches import encode_rows

CHUNK = 16_384
"""Texts sorted by length together: enough for full batches of each length, few enough to fit in little memory."""


@dataclass
class TextRunner:
    """Takes texts through a network.

    Args:
        tokenizer: text -> token ids.
        max_length: longest text in tokens; what is longer is cut.
        width: numbers W that the network gives for a text.
        network: ids (B, S) without padding -> (B, W).
        streams: batches that the network takes side by side, each in a thread.
        truncated: how many texts were cut so far.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    width: int
    network: Callable[[Tensor], Tensor]
    streams: int = 1
    truncated: int = 0

    def run(self, texts: Iterable[str], chunk: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield what the network gives (N, W) for one chunk of texts after the other, in the order of the texts.

        Args:
            texts: any number of them.
            chunk: texts of a chunk; None is ``CHUNK``.

        Raises:
            UserError: something among them is no text.
        """
        remaining, done = iter(texts), 0
        while some := list(islice(remaining, chunk or CHUNK)):
            _check_texts(some, done)
            done += len(some)
            tokens = token_ids(some, self.tokenizer, self.max_length)
            self.truncated += tokens.truncated
            values = np.empty((len(some), self.width), dtype=np.float32)

            def receive(rows: NDArray[np.int64], batch: Tensor, into: NDArray[np.float32] = values) -> None:
                into[rows] = batch.float().cpu().numpy()

            encode_rows(tokens.ids, tokens.offsets, self.network, receive, self.streams)
            yield values


def _check_texts(some: list[str], first: int) -> None:
    """Refuse what the tokenizer would take for something else, or refuse without telling where.

    Args:
        some: texts.
        first: position of the first among all.
    """
    for position, text in enumerate(some, start=first):
        if not isinstance(text, str):
            raise UserError(f"texts: {text!r:.40} at position {position} (counted from 0); each must be a text")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                reason = f"{text[error.start]!r} is half of a character"
                raise UserError(f"texts: the one at position {position} (counted from 0): {reason}; mend it") from error
