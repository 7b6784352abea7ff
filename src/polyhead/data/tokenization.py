"""Tokenisation: texts -> token ids. Knows nothing about labels or models.

Shapes: N texts.
"""

from collections.abc import Iterable
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import TruncationStrategy
from transformers.utils.generic import PaddingStrategy

CHUNK = 4096  # texts tokenised at a time: bounds memory, and is enough to keep all cores busy


class TokenIds(NamedTuple):
    """The token ids of texts.

    Args:
        ids: of all texts, one after the other.
        offsets: where each text starts (N + 1,).
        truncated: how many texts were cut.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: int


def encode(texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> TokenIds:
    """Tokenise texts, special tokens included, and cut what is longer than ``max_length`` tokens."""
    # As the tokenizer does it when it is called, but without the character offsets, masks and lists made there.
    tokenizer.set_truncation_and_padding(
        PaddingStrategy.DO_NOT_PAD,
        TruncationStrategy.LONGEST_FIRST,
        max_length,
        stride=0,
        pad_to_multiple_of=None,
        padding_side=None,
    )
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(texts)
    ids = [encoding.ids for encoding in encodings]
    return TokenIds(
        ids=np.fromiter(chain.from_iterable(ids), dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum([len(row) for row in ids], dtype=np.int64)]),
        truncated=sum(bool(encoding.overflowing) for encoding in encodings),
    )


def token_ids(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> TokenIds:
    """Do the same for any number of texts, some at a time."""
    remaining = iter(texts)
    chunks = []
    while chunk := list(islice(remaining, CHUNK)):
        chunks.append(encode(chunk, tokenizer, max_length))
    lengths = [np.zeros(1, dtype=np.int64), *(np.diff(chunk.offsets) for chunk in chunks)]
    return TokenIds(
        ids=np.concatenate([np.zeros(0, dtype=np.int32), *(chunk.ids for chunk in chunks)]),
        offsets=np.cumsum(np.concatenate(lengths)),
        truncated=sum(chunk.truncated for chunk in chunks),
    )
