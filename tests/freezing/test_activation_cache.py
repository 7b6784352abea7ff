import errno
import hashlib
import logging
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch

from polyhead.errors import UserError
from polyhead.freezing import activation_cache as features
from polyhead.freezing.activation_cache import ActivationCache, digest

SHAPE = (100, 8)


def fill(value, calls=None):
    def compute(array):
        if calls is not None:
            calls.append(value)
        array.fill_(value)

    return compute


@pytest.fixture
def store(tmp_path):
    return ActivationCache(str(tmp_path / "features"), limit_gb=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_entry_is_computed_once_and_read_ever_after(store, dtype):
    calls = []
    for _ in range(3):
        found = store.get("key", SHAPE, dtype, fill(1.5, calls))
        assert found.shape == SHAPE
        assert found.dtype == dtype
        assert (found == 1.5).all()
    assert calls == [1.5]
    assert [path.name for path in store.entries()] == ["key.bin"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "extend"])
def test_a_damaged_entry_is_computed_again_with_one_line(store, caplog, damage):
    store.get("key", SHAPE, torch.float32, fill(1))
    (path,) = store.entries()
    content = bytearray(path.read_bytes())
    content[1234] ^= 1
    path.write_bytes({"flip": content, "cut": content[:-10], "empty": b"", "extend": content + b"x"}[damage])
    with caplog.at_level(logging.WARNING):
        assert (store.get("key", SHAPE, torch.float32, fill(2)) == 2).all()
    assert len(caplog.records) == 1
    assert "damaged; computing it again" in caplog.text


def test_an_entry_of_another_shape_is_not_taken(store):
    store.get("key", SHAPE, torch.float32, fill(1))
    assert (store.get("key", (8, 100), torch.float32, fill(2)) == 2).all()


def test_what_is_written_to_the_array_does_not_reach_the_disk(store):
    store.get("key", SHAPE, torch.float32, fill(1)).fill_(7)
    assert (store.get("key", SHAPE, torch.float32, fill(2)) == 1).all()


def test_a_failed_computation_leaves_nothing_behind(store):
    def fail(array):
        array[0] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get("key", SHAPE, torch.float32, fail)
    assert os.listdir(store.folder) == []


def _race(folder, barrier, value, results):
    def slowly(array):
        barrier.wait(timeout=30)  # both compute at once
        array.fill_(value)
        time.sleep(0.1 * value)

    found = ActivationCache(folder, 1).get("key", SHAPE, torch.float32, slowly)
    results.put(found.unique().tolist())


def test_two_processes_that_fill_the_same_entry_both_end_well(tmp_path):
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
    assert [path.name for path in tmp_path.iterdir()] == ["key.bin"]


def test_the_oldest_go_when_room_is_needed(tmp_path):
    size = 100 * 8 * 4 + 256
    store = ActivationCache(str(tmp_path), limit_gb=3.5 * size / 1e9)
    for age, key in enumerate("abc"):
        store.get(key, SHAPE, torch.float32, fill(1))
        os.utime(tmp_path / f"{key}.bin", (age, age))
    store.get("a", SHAPE, torch.float32, fill(1))  # used again: now b is the oldest
    store.get("d", SHAPE, torch.float32, fill(1))
    assert sorted(path.stem for path in store.entries()) == ["a", "c", "d"]
    assert store.size() <= store.limit_gb * 1e9


def test_an_entry_over_the_limit_is_not_stored_and_the_caller_is_told(tmp_path, caplog):
    store = ActivationCache(str(tmp_path), limit_gb=1e-9)
    with caplog.at_level(logging.WARNING):
        assert store.get("key", SHAPE, torch.float32, fill(1)) is None
    assert "features.limit_gb=1e-09" in caplog.text
    assert "going on without" in caplog.text


def test_a_full_disk_turns_storing_off_with_a_warning(store, monkeypatch, caplog):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with caplog.at_level(logging.WARNING):
        assert store.get("key", SHAPE, torch.float32, fill(1)) is None
    assert "No space left on device" in caplog.text
    assert os.listdir(store.folder) == []


def test_a_folder_that_cannot_be_made_turns_storing_off(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert ActivationCache(str(tmp_path / "file"), 1).get("key", SHAPE, torch.float32, fill(1)) is None
    assert "going on without" in caplog.text


def test_files_of_killed_processes_are_swept_up(store):
    store.get("a", SHAPE, torch.float32, fill(1))
    old, young = (store.entries()[0].with_name(f"{name}.partial") for name in ("old", "young"))
    old.write_text("")
    young.write_text("")
    os.utime(old, (0, 0))
    store.get("b", SHAPE, torch.float32, fill(1))
    assert not old.exists()
    assert young.exists()


def test_clearing(store):
    store.get("a", SHAPE, torch.float32, fill(1))
    size = store.size()
    assert size >= 100 * 8 * 4
    assert store.clear() == size
    assert store.entries() == []


def test_a_limit_that_is_not_above_zero_is_refused():
    with pytest.raises(UserError, match="features.limit_gb: 0 given"):
        ActivationCache("folder", 0)


def test_a_mapped_file_has_the_digest_of_its_content_and_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "_PIECE", 100)
    numbers = np.arange(1234, dtype=np.int32)
    numbers.tofile(tmp_path / "numbers")
    mapped = np.memmap(tmp_path / "numbers", np.int32, mode="c")
    whole = hashlib.sha256(f"{features._FORMAT}int32(1234,)".encode() + numbers.tobytes() + b"|").hexdigest()
    assert digest([mapped]) == digest([numbers]) == whole
    assert (mapped == numbers).all()


def test_a_digest_tells_values_types_and_shapes_apart():
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
