import errno
import hashlib
import json
import logging
import multiprocessing
import os
import time
import zlib
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from polyhead.errors import UserError
from polyhead.freezing import activation_cache
from polyhead.freezing.activation_cache import ActivationCache, digest

SHAPE = (100, 8)


def fill(value, calls=None):
    def compute(array):
        if calls is not None:
            calls.append(value)
        array.fill_(value)

    return compute


@pytest.fixture
def cache(tmp_path):
    return ActivationCache(str(tmp_path / "cache" / "activations"), limit_gb=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cache_computes_an_entry_once_and_reads_it_ever_after(cache, dtype, caplog):
    calls = []
    for _ in range(3):
        found = cache.get("key", SHAPE, dtype, fill(1.5, calls))
        assert found.shape == SHAPE
        assert found.dtype == dtype
        assert (found == 1.5).all()
    assert calls == [1.5]
    assert cache.counts == {"computed": 1}
    assert caplog.text == ""
    assert [path.name for path in cache.entries()] == ["key.bin"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "extend"])
def test_cache_computes_a_damaged_entry_again_with_one_line(cache, caplog, damage):
    cache.get("key", SHAPE, torch.float32, fill(1))
    (path,) = cache.entries()
    content = bytearray(path.read_bytes())
    content[1234] ^= 1
    path.write_bytes({"flip": content, "cut": content[:-10], "empty": b"", "extend": content + b"x"}[damage])
    with caplog.at_level(logging.WARNING):
        assert (cache.get("key", SHAPE, torch.float32, fill(2)) == 2).all()
    assert caplog.messages == [f"activation cache: {path} is damaged; computing it again"]


def test_cache_does_not_take_an_entry_of_another_shape(cache):
    cache.get("key", SHAPE, torch.float32, fill(1))
    assert (cache.get("key", (8, 100), torch.float32, fill(2)) == 2).all()


def test_cache_does_not_take_an_entry_of_another_type_and_the_same_size(cache):
    cache.get("key", SHAPE, torch.float32, fill(1))
    assert (cache.get("key", SHAPE, torch.int32, fill(2)) == 2).all()


def test_cache_keeps_entries_of_different_keys_apart(cache):
    for number, key in enumerate("abc"):
        cache.get(key, SHAPE, torch.float32, fill(number))
    assert [cache.get(key, SHAPE, torch.float32, fill(9))[0, 0].item() for key in "abc"] == [0, 1, 2]
    assert cache.counts == {"computed": 3}


def test_cache_entries_are_laid_out_as_in_every_version(cache):
    """The numbers, and 256 bytes of JSON: entries that exist already are found."""
    numbers = np.arange(6, dtype=np.float32).reshape(3, 2)
    facts = {"shape": [3, 2], "dtype": "torch.float32", "crc32": zlib.crc32(numbers.tobytes())}
    expected = numbers.tobytes() + json.dumps(facts).ljust(256).encode()
    cache.get("ours", (3, 2), torch.float32, lambda array: array.copy_(torch.from_numpy(numbers)))
    assert (cache.path / "ours.bin").read_bytes() == expected
    (cache.path / "theirs.bin").write_bytes(expected)
    assert torch.equal(cache.get("theirs", (3, 2), torch.float32, fill(9)), torch.from_numpy(numbers))


def test_cache_counts_are_no_part_of_what_a_cache_is(cache):
    unused = ActivationCache(cache.folder, 1)
    cache.get("key", SHAPE, torch.float32, fill(1))
    assert cache == unused
    with pytest.raises(TypeError):
        ActivationCache(cache.folder, 1, cache.counts)


def test_cache_takes_the_space_of_an_entry_before_it_is_computed(cache, monkeypatch):
    taken, allocate = [], os.posix_fallocate
    monkeypatch.setattr(os, "posix_fallocate", lambda file, *space: (taken.append(space), allocate(file, *space)))

    def compute(array):
        assert taken == [(0, 100 * 8 * 4 + 256)]

    cache.get("key", SHAPE, torch.float32, compute)
    assert len(taken) == 1


def test_cache_keeps_changes_of_an_array_off_the_disk(cache):
    cache.get("key", SHAPE, torch.float32, fill(1)).fill_(7)
    assert (cache.get("key", SHAPE, torch.float32, fill(2)) == 1).all()


def test_cache_leaves_nothing_of_a_failed_computation(cache):
    def fail(array):
        array[0] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get("key", SHAPE, torch.float32, fail)
    assert os.listdir(cache.folder) == []


def _race(folder, barrier, value, results):
    activation_cache.turn = lambda path, what: nullcontext()  # as where the file system knows no locks

    def slowly(array):
        barrier.wait(timeout=30)  # both compute at once
        array.fill_(value)
        time.sleep(0.1 * value)

    found = ActivationCache(folder, 1).get("key", SHAPE, torch.float32, slowly)
    results.put(found.unique().tolist())


@pytest.mark.slow
def test_cache_serves_two_processes_that_fill_the_same_entry_where_nobody_waits(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_race, args=(str(tmp_path), barrier, value, results)) for value in (1, 2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(values in ([1.0], [2.0]) for values in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.bin", "key.json"]


def test_cache_evicts_the_least_recently_used(tmp_path):
    size = 100 * 8 * 4 + 256
    cache = ActivationCache(str(tmp_path), limit_gb=3.5 * size / 1e9)
    for age, key in enumerate("abc"):
        cache.get(key, SHAPE, torch.float32, fill(1))
        os.utime(tmp_path / f"{key}.bin", (age, age))
    cache.get("a", SHAPE, torch.float32, fill(1))  # used again: now b is the oldest
    cache.get("d", SHAPE, torch.float32, fill(1))
    assert sorted(path.stem for path in cache.entries()) == ["a", "c", "d"]
    assert cache.size() <= cache.limit_gb * 1e9


def test_cache_does_not_store_an_entry_over_the_limit_and_says_so(tmp_path, caplog):
    cache = ActivationCache(str(tmp_path), limit_gb=1e-9)
    with caplog.at_level(logging.WARNING):
        assert cache.get("key", (1_000_000, 1_250), torch.float32, fill(1)) is None
    reason = "5.0 GB needed, limit_gb is 1e-09"
    assert caplog.messages == [f"activation cache: {tmp_path} cannot keep it ({reason}); continuing without"]
    assert cache.entries() == []


def test_cache_stores_an_entry_as_large_as_the_limit(tmp_path):
    cache = ActivationCache(str(tmp_path), limit_gb=100 * 8 * 4 / 1e9)
    assert cache.get("key", SHAPE, torch.float32, fill(1)) is not None


def test_cache_warns_of_a_full_disk_and_stores_nothing(cache, monkeypatch, caplog):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with caplog.at_level(logging.WARNING):
        assert cache.get("key", SHAPE, torch.float32, fill(1)) is None
    assert "No space left on device" in caplog.text
    assert os.listdir(cache.folder) == []


def test_cache_warns_of_a_folder_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert ActivationCache(str(tmp_path / "file"), 1).get("key", SHAPE, torch.float32, fill(1)) is None
    assert "continuing without" in caplog.text


def test_cache_removes_what_killed_processes_left_also_where_nothing_is_written(cache):
    cache.get("a", SHAPE, torch.float32, fill(1))
    left = cache.path / "b.bin.01234567.partial"
    left.write_text("")
    cache.get("a", SHAPE, torch.float32, fill(2))
    assert not left.exists()


def test_cache_describes_its_entries_and_removes_the_descriptions_with_them(cache):
    facts = {"encoder": "package:minilm", "data": "made up train", "run": "runs/a"}
    cache.get("a", SHAPE, torch.float32, fill(1), facts)
    assert cache.describe(cache.path / "a.bin") == facts
    (cache.path / "a.json").write_text("damaged")
    assert cache.describe(cache.path / "a.bin") == {}
    cache.clear()
    assert os.listdir(cache.folder) == []


def test_cache_that_is_filled_is_used_where_nothing_can_be_written(cache, monkeypatch, caplog):
    cache.get("a", SHAPE, torch.float32, fill(1))

    def refuse(*arguments, **settings):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    assert (cache.get("a", SHAPE, torch.float32, fill(2)) == 1).all()
    assert caplog.text == ""


def test_cache_clears_all_entries(cache):
    cache.get("a", SHAPE, torch.float32, fill(1))
    size = cache.size()
    assert size >= 100 * 8 * 4
    assert cache.clear() == size
    assert cache.entries() == []


def test_cache_refuses_a_limit_that_is_not_above_zero():
    with pytest.raises(UserError, match="limit_gb: 0 given"):
        ActivationCache("folder", 0)


def test_digest_of_a_mapped_file_is_that_of_its_content(tmp_path, monkeypatch):
    monkeypatch.setattr(activation_cache, "_PIECE", 100)
    numbers = np.arange(1234, dtype=np.int32)
    numbers.tofile(tmp_path / "numbers")
    mapped = np.memmap(tmp_path / "numbers", np.int32, mode="c")
    whole = hashlib.sha256(b"1int32(1234,)" + numbers.tobytes() + b"|").hexdigest()
    assert digest([mapped]) == digest([numbers]) == whole
    assert (mapped == numbers).all()


def test_digest_differs_with_values_types_and_shapes():
    parts = [
        [torch.zeros(4)],
        [torch.ones(4)],
        [torch.zeros(2, 2)],
        [torch.zeros(4, dtype=torch.int32)],
        [torch.zeros(2), torch.zeros(2)],
        [np.zeros(4, dtype=np.float64)],
        ["ab", "c"],
        ["a", "bc"],
        [],
    ]
    assert len({digest(part) for part in parts}) == len(parts)
    assert digest([torch.zeros(4)]) == digest([torch.zeros(4)])
    assert digest([torch.tensor(1.0)]) != digest([torch.tensor(2.0)])
