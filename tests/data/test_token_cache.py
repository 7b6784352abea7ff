"""The cache returns what was put in; nothing damaged or half-written is taken."""

import logging
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import UserError
from polyhead.storage import folder_cache

TASKS = ["tone", "topic"]


def chunks(count=3, seed=0):
    random = np.random.default_rng(seed)
    for _ in range(count):
        lengths = random.integers(1, 9, size=50)
        ids = random.integers(0, 30_000, size=lengths.sum()).astype(np.int32)
        labels = {task: random.integers(-1, 3, size=50).astype(np.int32) for task in TASKS}
        yield TokenizedSentences(ids, np.concatenate([[0], np.cumsum(lengths)]), labels, truncated=2)


def in_memory():
    return TokenizedSentences.concatenate(chunks(), TASKS)


def same(one, other):
    return (
        np.array_equal(one.ids, other.ids)
        and np.array_equal(one.offsets, other.offsets)
        and all(np.array_equal(one.labels[task], other.labels[task]) for task in TASKS)
        and one.truncated == other.truncated
    )


def never():
    raise AssertionError("made again")


def test_token_cache_returns_the_same_from_disk_as_in_memory(tmp_path):
    held = in_memory()
    assert held.offsets[-1] == len(held.ids)
    assert (len(held), held.truncated) == (150, 6)
    cache = TokenCache(str(tmp_path / "cache"), 1)
    assert same(cache.get("key", chunks, TASKS), held)
    again = cache.get("key", never, TASKS)
    assert same(again, held)
    assert all(isinstance(array, np.memmap) for array in (again.ids, again.offsets, again.labels["tone"]))
    assert [path.name for path in cache.entries()] == ["key"]


def test_token_cache_keeps_an_entry_of_no_sentences(tmp_path):
    cache = TokenCache(str(tmp_path), 1)
    assert len(cache.get("key", lambda: chunks(0), TASKS).ids) == 0
    assert cache.get("key", never, TASKS).offsets.tolist() == [0]


@pytest.mark.parametrize("name", ["ids.bin", "offsets.bin", "labels-tone.bin", "entry.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-3])])
def test_token_cache_replaces_a_damaged_entry(tmp_path, name, damage):
    cache = TokenCache(str(tmp_path), 1)
    cache.get("key", chunks, TASKS)
    damage(tmp_path / "key" / name)
    assert same(cache.get("key", chunks, TASKS), in_memory())
    assert same(cache.get("key", never, TASKS), in_memory())


def test_token_cache_leaves_nothing_of_an_interrupted_entry(tmp_path):
    def interrupted():
        yield from chunks()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TokenCache(str(tmp_path), 1).get("key", interrupted, TASKS)
    assert list(tmp_path.iterdir()) == []


def test_token_cache_that_cannot_be_written_returns_tokens_in_memory(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        tokens = TokenCache(str(tmp_path / "file"), 1).get("key", chunks, TASKS)
    assert same(tokens, in_memory())
    assert "cannot be written" in caplog.text


def test_token_cache_keeps_the_entry_of_a_faster_process_where_nobody_waits(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(folder_cache, "turn", lambda path, what: nullcontext())  # as where the system knows no locks
    cache = TokenCache(str(tmp_path), 1)

    def meanwhile():
        yield from chunks()
        cache.get("key", chunks, TASKS)

    assert same(cache.get("key", meanwhile, TASKS), in_memory())
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert not caplog.text


def test_token_cache_evicts_the_least_recently_used(tmp_path):
    import os

    cache = TokenCache(str(tmp_path), 1e-5)  # 10 kB: two entries of 3 to 4 kB, and not three
    for number, key in enumerate("abc"):
        cache.get(key, lambda number=number: chunks(2, number), TASKS)
        os.utime(tmp_path / key / "entry.json", (number, number))
        if key == "b":
            cache.get("a", never, TASKS)  # used again: b is the older now
    assert [path.name for path in cache.entries()] == ["c", "a"]
    big = TokenCache(str(tmp_path), 1e-9)
    assert same(big.get("d", chunks, TASKS), in_memory())  # the one at hand is never removed
    assert [path.name for path in cache.entries()] == ["d"]


def test_token_cache_refuses_a_limit_of_nothing():
    with pytest.raises(UserError, match="limit_gb: 0 given"):
        TokenCache("x", 0)


def test_token_cache_raises_the_user_errors_of_the_sentences(tmp_path):
    def mislabeled():
        yield from chunks()
        raise UserError("tasks.tone: unknown label 'gald'")

    with pytest.raises(UserError, match="unknown label 'gald'"):
        TokenCache(str(tmp_path), 1).get("key", mislabeled, TASKS)
    assert list(tmp_path.iterdir()) == []
