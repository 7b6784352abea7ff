"""Text runner: texts -> a network's values, in order, in bounded memory. Knows nothing about what the network is.

Shapes: N texts of a chunk, B texts of a batch, S tokens, W values per text.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from polyhead.data.tokenization import TextTokenizer
from polyhead.errors import UserError
from polyhead.inference.length_batches import run_batches

CHUNK = 16_384
"""Texts sorted by length together: enough for full batches of each length, few enough to fit in little memory."""


class TextRunner:
    """Runs texts through a network, in the order of the texts and in memory that does not grow with their number.

    Args:
        tokenizer: text -> token ids.
        width: values W per text.
        network: token ids (B, S) without padding -> values (B, W).
        streams: batches that the network takes side by side, each in a thread.

    Attributes:
        truncated: number of texts that were cut so far.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        width: int,
        network: Callable[[Tensor], Tensor],
        streams: int = 1,
    ) -> None:
        self.tokenizer = tokenizer
        self.width = width
        self.network = network
        self.streams = streams
        self.truncated = 0

    def run(self, texts: Iterable[str], chunk: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield the values (N, W) of one chunk of texts after the other.

        Args:
            texts: any number of them.
            chunk: texts per chunk; None is ``CHUNK``.

        Raises:
            UserError: one of them is no text.
        """
        remaining, done = iter(texts), 0
        while some := list(islice(remaining, chunk or CHUNK)):
            _check_texts(some, done)
            done += len(some)
            yield self._values(some)

    def _values(self, texts: list[str]) -> NDArray[np.float32]:
        sentences = self.tokenizer.tokenize(texts)
        self.truncated += sentences.truncated
        values = np.empty((len(texts), self.width), dtype=np.float32)

        def receive(rows: NDArray[np.int64], batch: Tensor) -> None:
            values[rows] = batch.float().cpu().numpy()

        run_batches(sentences, self.network, receive, self.streams)
        return values


def _check_texts(some: list[str], first: int) -> None:
    """Refuse values that the tokenizer would misread, or refuse without their position.

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
                raise UserError(
                    f"texts: the one at position {position} (counted from 0): {reason}; repair it"
                ) from error
