import os
from typing import ClassVar

import pytest

from polyhead.errors import UserError
from polyhead.storage.cache import Cache, size_of
from polyhead.storage.output import write_atomically


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


def test_cache_lists_its_entries_by_last_use_and_nothing_else(store):
    assert {path.name: moment for path, moment in store.used().items()} == {"a": 1, "b": 2, "c": 3}
    assert [path.name for path in store.entries()] == ["a", "b", "c"]
    assert store.size() == 900


@pytest.mark.parametrize(("size", "left"), [(100, "abc"), (101, "bc"), (400, "bc"), (401, "c"), (5000, "")])
def test_cache_evicts_as_many_entries_as_it_must(store, size, left):
    store.evict(size)
    assert [path.name for path in store.entries()] == list(left)
    assert (store.path / "not-ours").exists()


def test_cache_keeps_the_entry_named_when_it_evicts(store):
    store.evict(5000, keep=[store.path / "a"])
    assert [path.name for path in store.entries()] == ["a"]


def test_cache_removes_what_killed_processes_left_and_no_more(store):
    dead, living = (store.path / f"{name}.01234567.partial" for name in ("dead", "living"))
    dead.write_bytes(b"x" * 70)
    with write_atomically(store.path / "living", folder=True) as partial:
        (partial / "content").write_bytes(b"x" * 50)
        living = partial
        assert store.partials() == {dead: True, living: False}
        assert store.size() == 900 + 70 + 50
        store.remove_abandoned()
        assert store.partials() == {living: False}
        store.evict(60)  # 900 + 50 + 60 bytes: one entry too many
        assert [path.name for path in store.entries()] == ["b", "c"]
        assert store.clear() == 600
        assert (living / "content").exists()
    assert (store.path / "living" / "content").exists()


def test_cache_clear_removes_entries_alone(store):
    assert store.clear() == 900
    assert sorted(path.name for path in store.path.iterdir()) == ["not-ours", "unfinished"]


def test_size_of_nothing_is_zero(tmp_path):
    assert size_of(tmp_path / "gone") == 0


def test_cache_is_empty_where_its_folder_is_not_there(tmp_path):
    assert Folders(str(tmp_path / "none"), 1).entries() == []


def test_cache_expands_the_home_folder():
    assert str(Folders("~/x", 1).path) == os.path.expanduser("~/x")


@pytest.mark.parametrize("limit", [0, -1])
def test_cache_refuses_a_limit_that_is_not_above_zero(limit):
    with pytest.raises(UserError, match=f"^limit_gb: {limit} given; it must be above 0"):
        Folders("x", limit)
