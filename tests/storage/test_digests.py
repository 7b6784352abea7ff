import hashlib
import os
import subprocess

import pytest

from polyhead.errors import UserError
from polyhead.storage import digests
from polyhead.storage.digests import (
    LISTING,
    check_intact,
    folder_is_intact,
    forget_digest,
    is_intact,
    json_digest,
    note_digest,
    note_folder,
    write_with_digest,
)


@pytest.fixture
def path(tmp_path):
    for name, text in (("a.txt", "first"), ("b.txt", "other")):
        with write_with_digest(tmp_path / name) as partial:
            partial.write_text(text)
    return tmp_path / "a.txt"


def sums(folder):
    return dict(reversed(line.split("  ")) for line in (folder / LISTING).read_text().splitlines())


def damage(path, content):
    path.write_bytes(content)
    digests._known.cache_clear()  # two writes within a tick of the clock look alike


def test_digests_are_those_that_sha256sum_checks(path):
    assert sums(path.parent)["a.txt"] == hashlib.sha256(b"first").hexdigest()
    done = subprocess.run(["sha256sum", "--check", LISTING], cwd=path.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "a.txt: OK\nb.txt: OK\n")


def test_digest_finds_a_changed_file_and_no_other(path):
    check_intact(path)
    damage(path, b"First")
    assert not is_intact(path)
    assert is_intact(path.with_name("b.txt"))
    with pytest.raises(UserError, match="a.txt' is damaged") as caught:
        check_intact(path)
    assert "\n" not in str(caught.value)


def test_digest_that_was_never_noted_counts_as_intact(path, tmp_path_factory):
    (path.parent / "c.txt").write_text("by hand")
    assert is_intact(path.parent / "c.txt")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.txt"
    elsewhere.write_text("changed")
    assert is_intact(elsewhere)


@pytest.mark.parametrize("listing", [b"", b"\x00" * 80, b"abc  a.txt\n", b"\xff\n"])
def test_digests_that_are_damaged_vouch_for_nothing(path, listing):
    damage(path.parent / LISTING, listing)
    assert not is_intact(path)


def test_digests_that_are_damaged_are_written_anew_with_one_line(path, caplog):
    damage(path.parent / LISTING, b"damaged")
    note_digest(path)
    assert sums(path.parent).keys() == {"a.txt"}
    assert len(caplog.messages) == 1


def test_digest_knows_the_old_file_and_the_new_one_until_the_new_one_is_there(path, monkeypatch):
    """A kill between any two steps leaves a file that the listing knows."""
    seen = []
    replace = os.replace

    def watched(self, target):
        seen.append(is_intact(path))
        replace(self, target)
        seen.append(is_intact(path))
        return target

    monkeypatch.setattr("pathlib.Path.replace", watched)
    with write_with_digest(path) as partial:
        partial.write_text("second")
    assert path.read_text() == "second"
    assert seen == [True] * 6  # the listing, the file, the listing
    assert sums(path.parent)["a.txt"] == hashlib.sha256(b"second").hexdigest()


def test_digest_of_a_file_that_could_not_be_written_is_the_old_one(path):
    def write_half():
        with write_with_digest(path) as partial:
            partial.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        write_half()
    assert is_intact(path)
    assert sorted(os.listdir(path.parent)) == [LISTING, "a.txt", "b.txt"]


def test_digest_is_forgotten_with_its_file(path):
    forget_digest(path)
    assert sums(path.parent).keys() == {"b.txt"}
    forget_digest(path.with_name("b.txt"))
    assert not (path.parent / LISTING).exists()


def test_folder_is_intact_as_long_as_no_file_comes_goes_or_changes(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    assert not folder_is_intact(tmp_path)
    note_folder(tmp_path)
    assert folder_is_intact(tmp_path)
    (tmp_path / "c").write_text("c")
    assert not folder_is_intact(tmp_path)
    (tmp_path / "c").unlink()
    damage(tmp_path / "a", b"b")
    assert not folder_is_intact(tmp_path)
    (tmp_path / "a").unlink()
    assert not folder_is_intact(tmp_path)


def test_json_digest_depends_on_the_content_alone():
    assert json_digest({"a": 1, "b": [1.5]}) == json_digest({"b": [1.5], "a": 1})
    assert json_digest({"a": 1}) != json_digest({"a": 2})


def test_digest_is_read_once_as_long_as_the_file_stays(path, monkeypatch):
    check_intact(path)
    monkeypatch.setattr(digests, "file_digest", lambda path: pytest.fail("read again"))
    check_intact(path)
