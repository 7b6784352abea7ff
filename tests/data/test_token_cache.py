"""What the store gives back is what was put in; nothing damaged or half-written is taken."""

import logging
from pathlib import Path

import numpy as np
import pytest

from polyhead.data.token_cache import Chunk, TokenCache, gather
from polyhead.errors import UserError

TASKS = ["tone", "topic"]


def chunks(count=3, seed=0):
    random = np.random.default_rng(seed)
    for _ in range(count):
        lengths = random.integers(1, 9, size=50)
        labels = {task: random.integers(-1, 3, size=50).astype(np.int32) for task in TASKS}
        yield Chunk(random.integers(0, 30_000, size=lengths.sum()).astype(np.int32), lengths, labels, 2)


def same(one, other):
    return (
        np.array_equal(one.ids, other.ids)
        and np.array_equal(one.offsets, other.offsets)
        and all(np.array_equal(one.labels[task], other.labels[task]) for task in TASKS)
        and one.truncated == other.truncated
    )


def never():
    raise AssertionError("made again")


def test_in_memory_and_on_disk_are_the_same(tmp_path):
    held = gather(chunks(), TASKS)
    assert held.offsets[-1] == len(held.ids)
    assert (len(held.offsets), held.truncated) == (151, 6)
    store = TokenCache(str(tmp_path / "store"), 1)
    assert same(store.get("key", chunks, TASKS), held)
    again = store.get("key", never, TASKS)
    assert same(again, held)
    assert all(isinstance(array, np.memmap) for array in (again.ids, again.offsets, again.labels["tone"]))
    assert [path.name for path in store.entries()] == ["key"]


def test_nothing_is_an_entry_too(tmp_path):
    store = TokenCache(str(tmp_path), 1)
    assert len(store.get("key", lambda: chunks(0), TASKS).ids) == 0
    assert store.get("key", never, TASKS).offsets.tolist() == [0]


@pytest.mark.parametrize("name", ["ids.bin", "offsets.bin", "labels-tone.bin", "entry.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-3])])
def test_a_damaged_entry_is_made_again(tmp_path, name, damage):
    store = TokenCache(str(tmp_path), 1)
    store.get("key", chunks, TASKS)
    damage(tmp_path / "key" / name)
    assert same(store.get("key", chunks, TASKS), gather(chunks(), TASKS))
    assert same(store.get("key", never, TASKS), gather(chunks(), TASKS))


def test_an_interrupted_entry_leaves_nothing_behind(tmp_path):
    def interrupted():
        yield from chunks()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TokenCache(str(tmp_path), 1).get("key", interrupted, TASKS)
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_written_the_tokens_stay_in_memory(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        tokens = TokenCache(str(tmp_path / "file"), 1).get("key", chunks, TASKS)
    assert same(tokens, gather(chunks(), TASKS))
    assert "cannot be written" in caplog.text


def test_a_process_that_was_faster_wins(tmp_path, caplog):
    store = TokenCache(str(tmp_path), 1)

    def meanwhile():
        yield from chunks()
        store.get("key", chunks, TASKS)

    assert same(store.get("key", meanwhile, TASKS), gather(chunks(), TASKS))
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert not caplog.text


def test_the_ones_unused_for_longest_make_room(tmp_path):
    import os

    store = TokenCache(str(tmp_path), 1e-5)  # 10 kB: two entries of 3 to 4 kB, and not three
    for number, key in enumerate("abc"):
        store.get(key, lambda number=number: chunks(2, number), TASKS)
        os.utime(tmp_path / key / "entry.json", (number, number))
        if key == "b":
            store.get("a", never, TASKS)  # used again: b is the older now
    assert [path.name for path in store.entries()] == ["c", "a"]
    big = TokenCache(str(tmp_path), 1e-9)
    assert same(big.get("d", chunks, TASKS), gather(chunks(), TASKS))  # the one at hand is never removed
    assert [path.name for path in store.entries()] == ["d"]


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(UserError, match="tokens.limit_gb: 0 given"):
        TokenCache("x", 0)
