"""Text runner: texts -> a network's values, in order, in bounded memory. Knows nothing about what the network is.

Shapes: N texts of a chunk, R windows of those, B windows of a batch, S tokens, W values per window and per text.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.data.tokenization import TextTokenizer
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import ParameterError, UserError
from polyhead.inference.length_batches import PROCESSOR, run_batches

Item = TypeVar("Item")
PoolWindows = Callable[[Tensor, Tensor, Tensor], Tensor]

CHUNK = 16_384
"""Texts sorted by length together: enough for full batches of each length, few enough to fit in little memory."""


class TextRunner:
    """Runs texts through a network, in the order of the texts and in memory that does not grow with their number.

    Args:
        tokenizer: text -> token ids.
        width: values W per text.
        network: token ids (B, S) without padding -> values (B, W).
        streams: batches that the network takes side by side, each in a thread.
        pool: values of windows (R, W), their tokens (R,) and the windows of each text (N,) -> values of texts (N, W);
            for a tokenizer that gives a text more than one window.
        device: where the network takes its ids. While a GPU computes, the next chunk is tokenized.

    Attributes:
        truncated: number of texts that were cut so far.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        width: int,
        network: Callable[[Tensor], Tensor],
        streams: int = 1,
        pool: PoolWindows | None = None,
        device: torch.device = PROCESSOR,
    ) -> None:
        self.tokenizer = tokenizer
        self.width = width
        self.network = network
        self.streams = streams
        self.pool = pool
        self.device = device
        self.truncated = 0

    def run(self, texts: Iterable[str], chunk: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield the values (N, W) of one chunk of texts after the other.

        Args:
            texts: any number of them.
            chunk: texts per chunk; None is ``CHUNK``.

        Raises:
            UserError: one of them is no text.
        """
        chunks = self._tokenized(texts, chunk or CHUNK)
        for sentences in one_ahead(chunks) if self.device.type == "cuda" else chunks:
            yield self._values(sentences)

    def count_tokens(self, texts: Iterable[str]) -> int:
        """Return how many tokens are computed for some texts, special ones and those of the prompt included."""
        return int(self.tokenizer.tokenize(texts).offsets[-1])

    def _tokenized(self, texts: Iterable[str], chunk: int) -> Iterator[TokenizedSentences]:
        remaining, done = iter(texts), 0
        while some := list(islice(remaining, chunk)):
            _check_texts(some, done)
            done += len(some)
            yield self.tokenizer.tokenize(some)

    def _values(self, sentences: TokenizedSentences) -> NDArray[np.float32]:
        self.truncated += sentences.truncated
        rows_of_tokens = sentences.as_windows()
        values = np.empty((len(rows_of_tokens), self.width), dtype=np.float32)

        def receive(rows: NDArray[np.int64], batch: Tensor) -> None:
            values[rows] = batch.float().numpy()

        run_batches(rows_of_tokens, self.network, receive, self.streams, self.device)
        if self.pool is None or rows_of_tokens is sentences:
            return values
        lengths, windows = torch.from_numpy(rows_of_tokens.lengths), torch.from_numpy(sentences.windows)
        return self.pool(torch.from_numpy(values), lengths, windows).numpy()


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of an iterator, of which the next is made in a thread meanwhile."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield cast(Item, item)


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


def check_list(texts: object, name: str = "texts") -> None:
    """Refuse one text, whose characters would be taken for texts, and anything else that holds none.

    Raises:
        ParameterError: it is none.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise ParameterError(f"{name}: {texts!r:.40} given; it must be a list of texts")
