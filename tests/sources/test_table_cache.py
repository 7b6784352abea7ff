import datasets
import pytest

from polyhead.sources.table_cache import TableCache


def build(text):
    def into(folder):
        return datasets.Dataset.from_generator(lambda: iter([{"text": text}]), cache_dir=str(folder))

    return into


def never(folder):
    raise AssertionError("built again")


@pytest.fixture
def cache(tmp_path):
    return TableCache(str(tmp_path), 1e-9)


def test_table_cache_builds_a_table_once_and_keeps_nothing_else_of_the_library(cache, tmp_path):
    assert cache.get("a", build("x"), {"data": "x.csv"})["text"][:] == ["x"]
    assert cache.get("a", never, {})["text"][:] == ["x"]
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["SHA256SUMS", "entry.json", "rows-00000.arrow"]
    assert cache.describe(tmp_path / "a") == {"data": "x.csv"}


def test_table_cache_makes_room_but_not_of_tables_in_use(cache, tmp_path):
    for key in "ab":
        cache.get(key, build(key), {})
    cache.make_room()
    assert {path.name for path in cache.entries()} == {"a", "b"}
    later = TableCache(str(tmp_path), 1e-9)
    later.get("b", never, {})
    later.make_room()
    assert [path.name for path in later.entries()] == ["b"]


def test_table_cache_removes_nothing_while_another_process_reads(cache, tmp_path, monkeypatch):
    import fcntl
    import os

    cache.get("a", build("a"), {})
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_SH)
    later = TableCache(str(tmp_path), 1e-9)
    later.get("b", build("b"), {})
    later.make_room()
    assert len(later.entries()) == 2
    os.close(other)
    later.make_room()
    assert [path.name for path in later.entries()] == ["b"]


def test_table_cache_lists_tables_of_an_older_layout(cache, tmp_path):
    rows = build("x")(tmp_path)
    assert len(cache.entries()) == 1
    cache.clear()
    assert not any(rows.cache_files[0]["filename"] == str(path) for path in tmp_path.rglob("*"))
