"""Token findings: what only token ids show of the sentences of splits. Knows nothing about texts or models.

Shapes: N sentences, M tokens of all of them.
"""

import logging
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.sources.base import Source
from polyhead.storage.memmap import release_pages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_SHOWN = 3  # sentences that a line names
_CHUNK = 100_000  # sentences looked at together
_MOST_UNKNOWN = 0.1  # share of the tokens of a split that may be unknown without a word


def unknown_tokens(
    sentences: TokenizedSentences, unknown: int | None, special: Collection[int]
) -> tuple[float, NDArray[np.intp]]:
    """Return the share of tokens that the tokenizer does not know, and the sentences that have no others.

    Args:
        sentences: any number of them.
        unknown: id of such tokens; None where the tokenizer has none, as one of bytes.
        special: ids of the tokens that stand for no part of a text.

    Returns:
        The share, from 0 to 1, and the positions of the sentences.
    """
    if unknown is None:
        return 0.0, np.zeros(0, dtype=np.intp)
    others = np.asarray(sorted(set(special) - {unknown}), dtype=np.int32)
    alone, count, total = [], 0, 0
    for start, ids, starts in _chunks(sentences):
        is_unknown = ids == unknown
        is_word = ~is_unknown & ~np.isin(ids, others)
        words, strangers = np.add.reduceat(is_word, starts, dtype=int), np.add.reduceat(is_unknown, starts, dtype=int)
        alone.append(start + np.flatnonzero((words == 0) & (strangers > 0)))
        count += int(strangers.sum())
        total += int(strangers.sum() + words.sum())
    return count / max(total, 1), np.concatenate([np.zeros(0, dtype=np.intp), *alone])


def token_hashes(sentences: TokenizedSentences) -> NDArray[np.uint64]:
    """Return a hash of the token ids of each sentence (N,), equal for equal ids."""
    random = np.random.default_rng(0)
    hashes = [np.zeros(0, dtype=np.uint64)]
    limits = np.iinfo(np.uint64)
    weights = random.integers(0, limits.max, int(sentences.lengths.max(initial=0)), dtype=np.uint64) | np.uint64(1)
    for _, ids, starts in _chunks(sentences):
        lengths = np.diff(np.append(starts, len(ids)))
        positions = np.arange(len(ids)) - np.repeat(starts, lengths)
        hashes.append(np.add.reduceat(_mixed(ids) * weights[positions], starts))
    return np.concatenate(hashes)


def row_hashes(sentences: TokenizedSentences) -> NDArray[np.uint64]:
    """Return a hash of each row (N,), that of both texts where it has a second one."""
    hashes = token_hashes(sentences)
    if sentences.seconds is not None:
        has_second = sentences.seconds.lengths > 0
        hashes[has_second] += np.uint64(31) * token_hashes(sentences.seconds.without_empty())  # in this order
    return hashes


def _mixed(ids: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Spread ids over 64 bits (the finalizer of SplitMix64, Steele et al. 2014)."""
    z = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _chunks(sentences: TokenizedSentences) -> Iterator[tuple[int, NDArray[np.int32], NDArray[Any]]]:
    """Yield the first sentence of each chunk, the ids of the chunk, and where its sentences start among them.

    Every sentence has a token at least: the special ones, or it was refused.
    """
    for start in range(0, len(sentences), _CHUNK):
        offsets = sentences.offsets[start : start + _CHUNK + 1]
        yield start, sentences.ids[offsets[0] : offsets[-1]], offsets[:-1] - offsets[0]
        release_pages(sentences.ids, sentences.offsets)


def unknown_line(share: float, alone: int, sentences: int, split: str, places: str) -> str | None:
    """Say that an encoder does not know the language or script of its sentences; None where it does.

    Args:
        share: of the tokens that are unknown.
        alone: sentences without another token.
        sentences: all.
        split: their name.
        places: where the first of those stand.
    """
    hint = "take an encoder whose tokenizer knows their language and script"
    if alone:
        which = f"{alone:,} of {sentences:,} {split} sentences have no token that the encoder knows ({places})"
        return f"{which}: they are all alike to it; {hint}"
    if share > _MOST_UNKNOWN:
        return f"{share:.0%} of the tokens of {split} are unknown to the encoder; {hint}"
    return None


class TokenFindings:
    """What is odd about the tokens of splits, told in the log as each is read.

    Args:
        source: of the sentences; names their places.
        tokenizer: that made the tokens.
    """

    def __init__(self, source: Source, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.source = source
        self.tokenizer = tokenizer
        self._hashes: dict[str, NDArray[np.uint64]] = {}

    def tell(self, sentences: TokenizedSentences, name: str) -> None:
        """Log what is odd about a split."""
        self._tell_unknown(sentences, name)
        self._tell_equal(sentences, name)

    def _tell_unknown(self, sentences: TokenizedSentences, name: str) -> None:
        """Log a line if many tokens of a split are unknown to the tokenizer."""
        share, alone = unknown_tokens(sentences, self.tokenizer.unk_token_id, self.tokenizer.all_special_ids)
        places = ", ".join(self.source.locate(name, int(row)) for row in alone[:_SHOWN])
        if line := unknown_line(share, len(alone), len(sentences), name, places):
            log.warning("%s", line)

    def _tell_equal(self, sentences: TokenizedSentences, name: str) -> None:
        """Log a line for each earlier split that has sentences of the same token ids, cut ones included.

        Those of the same text were told by the source.
        """
        hashes = row_hashes(sentences)
        for other, known in self._hashes.items():
            rows, told = np.flatnonzero(np.isin(hashes, known)), self.source.shared(other, name)
            rows = rows if told is None else np.setdiff1d(rows, told)
            if len(rows):
                places = ", ".join(self.source.locate(name, int(row)) for row in rows[:_SHOWN])
                counts = f"{len(rows):,} of {len(sentences):,} {name} sentences"
                log.warning(
                    "%s have the token ids of %s sentences, and are the same to the encoder (%s)", counts, other, places
                )
        self._hashes[name] = hashes
