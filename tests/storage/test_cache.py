import os
from typing import ClassVar

import pytest

from polyhead.errors import UserError
from polyhead.storage.cache import Cache, size_of
from polyhead.storage.output import remove


class Folders(Cache):
    name: ClassVar[str] = "folders"
    stamp: ClassVar[str] = "*/done"


def make(store, name, size, moment):
    (store.path / name).mkdir(parents=True)
    (store.path / name / "content").write_bytes(b"x" * size)
    (store.path / name / "done").touch()
    os.utime(store.path / name / "done", (moment, moment))


@pytest.fixture
def store(tmp_path):
    store = Folders(str(tmp_path), limit_gb=1e-6)  # 1000 bytes
    for name, moment in (("b", 2), ("a", 1), ("c", 3)):
        make(store, name, 300, moment)
    (store.path / "unfinished").mkdir()
    (store.path / "not-ours").write_text("precious")
    return store


def test_entries_come_by_when_they_were_used_and_nothing_else_counts(store):
    assert {path.name: moment for path, moment in store.used().items()} == {"a": 1, "b": 2, "c": 3}
    assert [path.name for path in store.entries()] == ["a", "b", "c"]
    assert store.size() == 900


@pytest.mark.parametrize(("size", "left"), [(100, "abc"), (101, "bc"), (400, "bc"), (401, "c"), (5000, "")])
def test_as_many_go_as_must(store, size, left):
    store.evict(size)
    assert [path.name for path in store.entries()] == list(left)
    assert (store.path / "not-ours").exists()


def test_one_is_spared(store):
    store.evict(5000, keep=store.path / "a")
    assert [path.name for path in store.entries()] == ["a"]


def test_what_was_never_finished_goes_after_a_day(store):
    for name, age in (("old.partial", 0), ("young.partial", None)):
        (store.path / name).mkdir()
        if age is not None:
            os.utime(store.path / name, (age, age))
    store.evict(0)
    assert not (store.path / "old.partial").exists()
    assert (store.path / "young.partial").exists()


def test_clearing_takes_the_entries_alone(store):
    assert store.clear() == 900
    assert sorted(path.name for path in store.path.iterdir()) == ["not-ours", "unfinished"]


def test_what_is_gone_meanwhile_has_no_size_and_can_be_removed_again(tmp_path):
    assert size_of(tmp_path / "gone") == 0
    remove(tmp_path / "gone")


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert Folders(str(tmp_path / "none"), 1).entries() == []


def test_the_home_folder_is_meant_by_its_sign():
    assert str(Folders("~/x", 1).path) == os.path.expanduser("~/x")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_is_not_above_zero_is_refused(limit):
    with pytest.raises(UserError, match=f"folders.limit_gb: {limit} given; it must be above 0"):
        Folders("x", limit)
