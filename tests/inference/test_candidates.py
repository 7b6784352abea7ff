"""Candidates are distinct, known texts are none of them, and of many a random sample is held."""

import numpy as np

from polyhead.inference.candidates import Candidates


def add(candidates, texts, residuals=None):
    count = len(texts)
    embeddings = np.full((count, 4), 3, dtype=np.float32)
    given = np.ones((count, 2), dtype=np.float32) if residuals is None else residuals
    candidates.add(texts, texts, embeddings, given)


def test_candidates_hold_each_text_once_and_none_that_is_known():
    candidates = Candidates(["A known  text"])
    add(candidates, ["one", "two", "ONE ", "a known text"])
    add(candidates, ["Two", "three"])
    assert candidates.rows == ["one", "two", "three"]
    assert (candidates.seen, candidates.repeated) == (6, 3)
    np.testing.assert_allclose(np.linalg.norm(candidates.embeddings, axis=1), 1, rtol=1e-6)
    assert candidates.embeddings.shape == (3, 4)
    assert candidates.residuals.shape == (3, 2)


def test_candidates_take_chunks_without_any_new_text():
    candidates = Candidates(["one"])
    add(candidates, ["one"])
    add(candidates, [])
    assert candidates.rows == []


def test_candidates_hold_no_more_than_their_limit_and_mostly_what_is_uncertain():
    residuals = np.repeat(np.array([[0.1], [1.0]], dtype=np.float32), 500, axis=0)

    def sample():
        candidates = Candidates(limit=100)
        for start in range(0, 1000, 130):
            some = slice(start, start + 130)
            add(candidates, [str(number) for number in range(1000)[some]], residuals[some])
            assert len(candidates.rows) <= 100
        return candidates

    first = sample()
    assert len(first.rows) == len(first.residuals) == len(first.embeddings) == 100
    assert first.rows == sample().rows
    assert sum(int(row) >= 500 for row in first.rows) > 90
    assert all(
        (residual == residuals[int(row)]).all() for row, residual in zip(first.rows, first.residuals, strict=True)
    )
