import gzip
import io
import os
import sys
import threading
from random import Random
from types import SimpleNamespace

import pytest

from polyhead.errors import UserError
from polyhead.storage.input import InputFile

CONTENT = b"one\ntwo\n" * 1000


def read(name):
    file = InputFile(str(name))
    try:
        with file.reading():
            return file.stream.read(), file.size, file.position
    finally:
        file.close()


def test_input_file_is_decompressed_where_its_name_ends_in_gz(tmp_path):
    (tmp_path / "a.txt").write_bytes(CONTENT)
    (tmp_path / "a.txt.GZ").write_bytes(gzip.compress(CONTENT))
    assert read(tmp_path / "a.txt") == (CONTENT, len(CONTENT), len(CONTENT))
    content, size, position = read(tmp_path / "a.txt.GZ")
    assert content == CONTENT
    assert position == size < len(CONTENT)


def test_input_file_has_neither_size_nor_position_where_it_is_a_pipe(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(CONTENT,))
    writer.start()
    assert read(tmp_path / "pipe") == (CONTENT, None, None)
    writer.join(timeout=60)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(CONTENT)))
    assert read("-") == (CONTENT, None, None)


def test_input_file_refuses_a_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="standard input is closed; give a file"):
        InputFile("-")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.csv.gz", gzip.compress(CONTENT, mtime=0)[:40], "Compressed file ended"),
        ("damaged.csv.gz", gzip.compress(Random(0).randbytes(1000), mtime=0)[:100] + bytes(950), "CRC check failed"),
        ("deflate.csv.gz", gzip.compress(CONTENT, mtime=0)[:10] + b"\xff" * 20, "Error -3"),
        ("plain.csv.gz", CONTENT, "Not a gzipped file"),
    ],
)
def test_input_file_says_in_one_line_that_compression_is_damaged(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: cannot be read \(.*{reason}") as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_input_file_says_what_the_system_refuses(tmp_path):
    with pytest.raises(UserError, match="no file"):
        InputFile(str(tmp_path))
    file = InputFile(os.devnull)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\); give a file that can"), file.reading():
        raise PermissionError(13, "Permission denied")
    file.close()
