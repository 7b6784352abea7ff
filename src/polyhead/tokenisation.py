"""Tokenisation: texts -> token ids. Knows nothing about labels or models.

Shapes: N texts.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

_CHUNK = 4096  # texts tokenised at a time: bounds memory, and is enough to keep all cores busy


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


def token_ids(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> TokenIds:
    """Tokenise texts, special tokens included, and cut what is longer than ``max_length`` tokens."""
    ids: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    truncated = 0
    remaining = iter(texts)
    while chunk := list(islice(remaining, _CHUNK)):
        for encoding in tokenizer(chunk, truncation=True, max_length=max_length).encodings or []:
            ids.append(np.asarray(encoding.ids, dtype=np.int32))
            lengths.append(len(encoding.ids))
            truncated += bool(encoding.overflowing)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return TokenIds(np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32), offsets, truncated)
