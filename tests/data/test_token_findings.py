"""Token ids show what an encoder cannot tell apart."""

from dataclasses import replace

import numpy as np
import pytest

from polyhead.data.token_findings import row_hashes, token_hashes, unknown_line, unknown_tokens
from polyhead.data.tokenized_sentences import TokenizedSentences

UNKNOWN, START, END = 100, 101, 102


def sentences(*ids):
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return TokenizedSentences(np.concatenate(ids).astype(np.int32), offsets)


def test_unknown_tokens_are_counted_and_sentences_without_others_found():
    some = sentences([START, 100, 100, END], [START, 5, 100, END], [START, 6, 7, END], [START, END])
    share, alone = unknown_tokens(some, UNKNOWN, [UNKNOWN, START, END])
    assert share == 3 / 6
    assert alone.tolist() == [0]  # the last one has no token at all


def test_unknown_tokens_are_none_where_the_tokenizer_knows_all():
    share, alone = unknown_tokens(sentences([1, 2]), None, [])
    assert (share, len(alone)) == (0, 0)


def test_token_hashes_are_equal_for_equal_ids_alone(monkeypatch):
    random = np.random.default_rng(1)
    rows = [random.integers(0, 50, random.integers(1, 4)).tolist() for _ in range(3000)]
    whole = token_hashes(sentences(*rows))
    hashes = {}
    for row, value in zip(rows, whole.tolist(), strict=True):
        hashes.setdefault(tuple(row), set()).add(value)
    assert all(len(values) == 1 for values in hashes.values())
    assert len({value for values in hashes.values() for value in values}) == len(hashes)
    monkeypatch.setattr("polyhead.data.token_findings._CHUNK", 7)
    assert token_hashes(sentences(*rows)).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("share", "alone", "start"),
    [
        (1.0, 2, "2 of 3 train sentences have no token that the encoder knows (a row 1): they are all alike"),
        (0.25, 0, "25% of the tokens of train are unknown to the encoder"),
        (0.05, 0, None),
    ],
)
def test_unknown_line_is_for_those_that_matter(share, alone, start):
    line = unknown_line(share, alone, 3, "train", "a row 1")
    assert line is None if start is None else line.startswith(start)


def test_rows_are_equal_where_both_texts_are():
    texts = sentences([START, 5, END], [START, 5, END], [START, 5, END], [START, 5, END], [START, 6, END])
    seconds = TokenizedSentences(np.array([7, 8, 7], dtype=np.int32), np.array([0, 1, 2, 3, 3, 3], dtype=np.int64))
    one, other, again, alone, third = row_hashes(replace(texts, seconds=seconds)).tolist()
    assert one == again
    assert len({one, other, alone, third}) == 4
    assert alone == token_hashes(texts)[3]
