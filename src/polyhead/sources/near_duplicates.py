"""Near duplicates: sentences of two splits that differ in a few characters. Knows nothing about labels.

Shapes: N sentences of a split, L n-grams of a text, H hash functions, B bands of them.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyhead.sources.folding import fold
from polyhead.sources.pairs import SECOND
from polyhead.sources.records import TEXT
from polyhead.sources.scan import Scan

if TYPE_CHECKING:
    from pyarrow import Array

SIMILARITY = 0.8
"""Share of their character 5-grams that near duplicates have in common, at least (estimated, to about 0.05)."""

_GRAM = 5
_HASHES, _BANDS = 64, 16  # 4 hashes a band: pairs alike by 0.8 share a band with probability 0.9998, by 0.4 with 0.34
_PRIME = np.uint64((1 << 31) - 1)

Signatures = NDArray[np.uint32]


class Kept(NamedTuple):
    """A split: the sentences of a scan that it keeps, True for each of them (N,)."""

    scan: Scan
    kept: NDArray[np.bool_]


def near_duplicate_lines(splits: Mapping[str, Kept], max_examples: int) -> Iterator[str]:
    """Count the sentences that nearly stand in an earlier split, by MinHash (Broder 1997).

    Args:
        splits: by name.
        max_examples: pairs named for each two splits.

    Yields:
        A line for a person for each two splits that have such sentences.
    """
    signatures = {id(split.scan): _signatures_of(split.scan) for split in splits.values()}
    for first, second in combinations(splits, 2):
        one, two = splits[first], splits[second]
        rows, others = np.flatnonzero(one.kept), np.flatnonzero(two.kept)
        pairs = find_near(signatures[id(one.scan)][rows], signatures[id(two.scan)][others])
        if pairs:
            examples = [
                f"{two.scan.place(int(others[row]))} is near {one.scan.place(int(rows[near]))}"
                for row, near in list(pairs.items())[:max_examples]
            ]
            count = f"{len(pairs):,} of {len(others):,} {second} sentences nearly stand in {first}"
            yield f"{count} ({SIMILARITY:.0%} or more of their runs of {_GRAM} characters): {'; '.join(examples)}"


def find_near(known: Signatures, texts: Signatures) -> dict[int, int]:
    """Find the texts that are near one that is known.

    Args:
        known: signatures (N, H).
        texts: signatures of others (M, H).

    Returns:
        Text -> the first known text that it is near to, both by position.
    """
    found: dict[int, int] = {}
    for band in np.split(np.arange(_HASHES), _BANDS):
        buckets: dict[bytes, list[int]] = {}
        for index, signature in enumerate(known[:, band]):
            buckets.setdefault(signature.tobytes(), []).append(index)
        for index, signature in enumerate(texts[:, band]):
            candidates = np.asarray(buckets.get(signature.tobytes(), ()), dtype=np.intp)
            alike = candidates[(known[candidates] == texts[index]).mean(axis=1) >= SIMILARITY]
            if len(alike):
                found[index] = min(int(alike[0]), found.get(index, int(alike[0])))
    return dict(sorted(found.items()))


def signatures(texts: list[str]) -> Signatures:
    """Return the MinHash signatures of texts (N, H): two agree in about the share of 5-grams that the texts share."""
    random = np.random.default_rng(0)  # the same functions for all splits
    factors = random.integers(1, int(_PRIME), (_HASHES, 1), dtype=np.uint64)  # (H, 1)
    offsets = random.integers(0, int(_PRIME), (_HASHES, 1), dtype=np.uint64)
    found = np.zeros((len(texts), _HASHES), dtype=np.uint32)
    for row, text in enumerate(texts):
        grams = _grams(fold(text)) % _PRIME  # (L,)
        found[row] = ((factors * grams + offsets) % _PRIME).min(axis=1)  # below 2^62: nothing overflows
    return found


def _grams(text: str) -> NDArray[np.uint64]:
    """Return a hash of each 5-gram of a text (L,); one of a shorter text."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if len(points) < _GRAM:
        points = np.pad(points, (0, _GRAM - len(points)))
    windows = np.lib.stride_tricks.sliding_window_view(points, _GRAM)  # (L, 5)
    hashes: NDArray[np.uint64] = windows @ np.array(
        [1, 1_000_003, 998_244_353, 15_485_863, 87_178_291], dtype=np.uint64
    )
    return hashes


def _whole_rows(chunk: Mapping[str, "Array"]) -> list[str]:
    """Return the texts of rows, of pairs both."""
    texts = [text or "" for text in chunk[TEXT].to_pylist()]
    if SECOND not in chunk:
        return texts
    return [f"{one} {other}" if other else one for one, other in zip(texts, chunk[SECOND].to_pylist(), strict=True)]


def _signatures_of(scan: Scan) -> Signatures:
    parts = [signatures(_whole_rows(chunk)) for table in scan.tables for chunk in table.chunks()]
    return np.concatenate(parts)
