import errno
import os
import sys

import numpy as np
import pytest

from polyhead.errors import UserError
from polyhead.storage.embedding_writers import open_embedding_file
from polyhead.storage.output import OutputFile, check_output
from polyhead.storage.row_writers import open_row_file


class Text(OutputFile):
    def __init__(self, path):
        super().__init__(path)
        self.file = self.partial.open("w")

    def close(self):
        self.file.close()


def test_the_file_takes_its_name_when_it_is_complete(tmp_path):
    with Text(tmp_path / "a.txt") as file:
        file.file.write("whole")
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt.partial"]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(TypeError), Text(tmp_path / "a.txt") as file:
        file.file.write(b"fails")
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.csv", r"must end in \.npy or \.txt"),
        ("there.txt", "is there already; choose another name, or set overwrite=true"),
        ("nowhere/a.txt", "is not there or cannot be written to"),
    ],
)
def test_a_name_that_cannot_be_written_to_is_refused(tmp_path, name, message):
    (tmp_path / "there.txt").touch()
    with pytest.raises(UserError, match=message):
        check_output(tmp_path / name, (".npy", ".txt"), overwrite=False)
    check_output(tmp_path / "there.txt", (".npy", ".txt"), overwrite=True)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "b.npy", "b.parquet"])
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(tmp_path, name):
    (tmp_path / f"{name}.partial").symlink_to("/dev/full")  # takes no byte
    if name.startswith("a"):
        opened, content = lambda: open_row_file(str(tmp_path / name), False, {}), [{"text": "x" * 100_000}] * 10
    else:
        opened, content = lambda: open_embedding_file(tmp_path / name, 1000, False), np.ones((1000, 1000), np.float32)
    with pytest.raises(UserError, match=rf"output: '.*{name}' cannot be written \(No space left on device\)"):  # noqa: SIM117
        with opened() as file:
            file.append(content)
    assert list(tmp_path.iterdir()) == []


def test_a_standard_output_that_is_closed_is_told(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UserError, match="standard output is closed; give a file"):
        open_row_file("-", False, {})


def test_a_full_standard_output_is_told_by_name(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(UserError, match=r"output: standard output cannot be written \(No space left on device\)"):  # noqa: SIM117
            with open_row_file("-", False, {}) as file:
                file.append([{"text": "short"}])
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # else the buffer is tried again when it is closed


def test_what_failed_first_is_told(tmp_path):
    (tmp_path / "a.jsonl.partial").symlink_to("/dev/full")
    with pytest.raises(KeyError, match="first"), open_row_file(str(tmp_path / "a.jsonl"), False, {}) as file:
        file.append(name for name in [{"text": "stays in the buffer until the file is closed"}, {}["first"]])
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_is_no_mistake(tmp_path):
    with pytest.raises(BrokenPipeError), Text(tmp_path / "a.txt") as file, file.writing():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
