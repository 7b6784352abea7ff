import json
import logging
import shutil
from typing import ClassVar

import pytest

from polyhead.storage import digests
from polyhead.storage.folder_cache import DONE, FolderCache


class Letters(FolderCache):
    name: ClassVar[str] = "letters"


def write(text):
    def into(folder):
        (folder / "content").write_text(text)
        return {"data": text}

    return into


@pytest.fixture
def cache(tmp_path):
    return Letters(str(tmp_path / "cache"), 1)


def test_folder_cache_finds_what_it_made(cache):
    assert cache.find("a") is None
    entry = cache.make("a", write("x"))
    assert cache.find("a") == entry == cache.path / "a"
    assert (entry / "content").read_text() == "x"
    assert cache.entries() == [entry]
    assert cache.describe(entry) == {"data": "x"}


@pytest.mark.parametrize("name", ["content", DONE, digests.LISTING])
def test_folder_cache_does_not_find_a_damaged_entry_and_makes_it_again(cache, caplog, name):
    entry = cache.make("a", write("x"))
    (entry / name).write_text("damaged")
    digests._known.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert cache.find("a") is None
    assert caplog.messages == [f"letters: {entry} is damaged; making it again"]
    cache.make("a", write("x"))
    assert (cache.find("a") / "content").read_text() == "x"


def test_folder_cache_takes_an_entry_without_digests_for_none_without_a_word(cache, caplog):
    (cache.path / "a").mkdir(parents=True)
    (cache.path / "a" / DONE).write_text(json.dumps({"rows": 1}))
    assert cache.find("a") is None
    assert caplog.text == ""
    assert (cache.make("a", write("x")) / "content").read_text() == "x"


def test_folder_cache_keeps_the_entry_of_a_faster_process(cache):
    def slowly(folder):
        cache.make("a", write("fast"))
        return write("slow")(folder)

    assert (cache.make("a", slowly) / "content").read_text() == "fast"
    assert [path.name for path in cache.path.iterdir()] == ["a"]


def test_folder_cache_describes_a_damaged_entry_as_unknown(cache):
    entry = cache.make("a", write("x"))
    (entry / DONE).write_text("[1]")
    assert cache.describe(entry) == {}
    shutil.rmtree(entry)
    assert cache.describe(entry) == {}
