import errno
import os
import resource
import stat
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from polyhead.errors import UserError
from polyhead.storage.embedding_writers import open_embedding_file
from polyhead.storage.output import OutputFile, check_output, refused, write_atomically
from polyhead.storage.partials import remove
from polyhead.storage.row_writers import open_row_file


class Text(OutputFile):
    def open(self):
        self.file = self.partial.open("w")

    def close(self):
        self.file.close()


@contextmanager
def largest_file(size):
    """Let the system refuse larger files, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    """A file with something in it that is to be replaced."""
    path = tmp_path / "a.txt"
    path.write_text("before")
    return path


def test_write_atomically_replaces_the_file_at_the_end_of_the_block(path):
    with write_atomically(path) as partial:
        partial.write_text("whole")
        assert partial.parent == path.parent
        assert partial.suffix == ".partial"
        assert path.read_text() == "before"
    assert path.read_text() == "whole"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [TypeError, OSError, KeyboardInterrupt, SystemExit])
def test_write_atomically_leaves_the_old_file_when_the_block_fails(path, error):
    def write_half():
        with write_atomically(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "before"
    assert names(path.parent) == ["a.txt"]


def test_write_atomically_takes_a_folder(tmp_path):
    with write_atomically(tmp_path / "entry", folder=True) as partial:
        (partial / "a").write_text("whole")
    assert (tmp_path / "entry" / "a").read_text() == "whole"
    assert names(tmp_path) == ["entry"]


def test_write_atomically_removes_a_folder_when_the_block_fails(tmp_path):
    def write_half():
        with write_atomically(tmp_path / "entry", folder=True) as partial:
            (partial / "deep").mkdir()
            raise TypeError

    with pytest.raises(TypeError):
        write_half()
    assert names(tmp_path) == []


def test_write_atomically_refuses_to_replace_a_folder_with_content(tmp_path):
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "a").write_text("before")
    with pytest.raises(UserError, match="entry' cannot be written"), write_atomically(tmp_path / "entry", folder=True):
        pass
    assert (tmp_path / "entry" / "a").read_text() == "before"
    assert names(tmp_path) == ["entry"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_write_atomically_leaves_permissions_to_the_umask(path, mask, mode):
    path.chmod(0o400)
    before = os.umask(mask)
    try:
        with write_atomically(path) as partial:
            partial.write_text("whole")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_write_atomically_never_mixes_two_writers(path):
    met = threading.Barrier(2, timeout=60)

    def write(letter):
        with write_atomically(path) as partial, partial.open("w") as file:
            for _ in range(100):
                file.write(letter * 1000)
                file.flush()
                met.wait()

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert path.read_text() in ("a" * 100_000, "b" * 100_000)
    assert names(path.parent) == ["a.txt"]


def test_remove_takes_files_and_folders_and_nothing_is_no_mistake(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "gone"):
        remove(tmp_path / name)
    assert names(tmp_path) == []


def test_output_file_takes_its_name_when_it_is_complete(tmp_path):
    with Text(tmp_path / "a.txt").opened() as file:
        file.file.write("whole")
        assert names(tmp_path) == [file.partial.name]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert names(tmp_path) == ["a.txt"]


def test_output_file_leaves_the_old_one_when_writing_fails(path):
    with pytest.raises(TypeError), Text(path).opened() as file:
        file.file.write(b"fails")
    assert path.read_text() == "before"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.csv", r"must end in \.npy or \.txt"),
        ("there.txt", "is there already; choose another name, or set overwrite=true"),
        ("folder.txt", "is a folder; give the name of a file"),
        ("nowhere/a.txt", "is not there or cannot be written to"),
    ],
)
def test_check_output_refuses_a_name_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "there.txt").touch()
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(UserError, match=message):
        check_output(tmp_path / name, (".npy", ".txt"), overwrite=name == "folder.txt")
    check_output(tmp_path / "there.txt", (".npy", ".txt"), overwrite=True)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "b.npy", "b.parquet"])
def test_output_file_says_what_the_system_refuses_and_leaves_nothing(tmp_path, name):
    if name.startswith("a"):
        opened, content = open_row_file(str(tmp_path / name), False, {}), [{"text": os.urandom(500_000).hex()}]
    else:
        opened, content = (
            open_embedding_file(tmp_path / name, 1000, False),
            np.random.default_rng(0).random((9, 1000), np.float32),
        )
    refusal = pytest.raises(UserError, match=rf"output: '.*{name}' cannot be written \(File too large\)")
    with refusal, largest_file(1000), opened as file:
        file.append(content)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_output_file_says_what_is_refused_only_when_it_is_closed(tmp_path, name):
    with (
        pytest.raises(UserError, match=r"cannot be written \(File too large\)"),
        largest_file(10),
        open_row_file(str(tmp_path / name), False, {}) as file,
    ):
        file.append([{"text": "stays in the buffer until the file is closed"}])
    assert names(tmp_path) == []


def test_output_file_reports_the_first_failure(tmp_path):
    def fail_twice():
        with open_row_file(str(tmp_path / "a.jsonl"), False, {}) as file:
            file.append([{"text": "stays in the buffer until the file is closed"}])
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"), largest_file(10):
        fail_twice()
    assert names(tmp_path) == []


def test_output_file_lets_a_closed_pipe_pass(tmp_path):
    with pytest.raises(BrokenPipeError), Text(tmp_path / "a.txt").opened() as file, file.writing():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room, or choose another place"),
        (errno.EROFS, "choose another place"),
        (None, "make room, or choose another place"),  # a library's own error
    ],
)
def test_refusal_advises_to_make_room_only_where_that_may_help(tmp_path, number, advice):
    error = OSError("no words") if number is None else OSError(number, "")
    assert str(refused(tmp_path / "a", error)).endswith(f"); {advice}")


def test_standard_output_is_refused_where_it_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UserError, match="standard output is closed; give a file"):
        open_row_file("-", False, {})


def test_standard_output_says_by_name_that_the_disk_is_full(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(UserError, match=r"output: standard output cannot be written \(No space left on device\)"):  # noqa: SIM117
            with open_row_file("-", False, {}) as file:
                file.append([{"text": "short"}])
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # else the buffer is tried again when it is closed
