"""Tables are opened by the ending of their name, or as the user says."""

import gzip
import io
import json
import os
import sys
import threading
import tracemalloc
from random import Random
from types import SimpleNamespace

import pytest

from polyhead.errors import ParameterError, UserError
from polyhead.storage.row_readers import READERS, format_of, open_rows


def texts(name, *arguments):
    with open_rows(str(name), *arguments) as reader:
        return [row["text"] for _, row in reader]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.b.TSV", "tsv"),
        ("a.csv.gz", "csv"),
        ("a.jsonl.GZ", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.txt", "txt"),
        ("a.json", "json"),
        ("a.arrow", "arrow"),
        ("a.xlsx", "xlsx"),
    ],
)
def test_format_of_goes_by_the_ending(name, expected):
    assert format_of(name) == expected


@pytest.mark.parametrize("name", ["a.md", "a", "a.gz", "a.parquet.gz", "a.xls", "csv", ".csv"])
def test_format_of_refuses_another_ending(name):
    with pytest.raises(UserError, match=rf"^{name}: unknown kind of file; valid: \.txt, \.csv"):
        format_of(name)


def test_format_of_refuses_a_format_that_is_not_among_those_allowed():
    with pytest.raises(UserError, match=r"valid: \.csv, \.tsv; those of text also with"):
        format_of("a.txt", ("csv", "tsv"))


def test_open_rows_refuses_an_unknown_ending_unless_the_format_is_given(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text("text\na\n")
    with pytest.raises(UserError, match=r"notes\.md: unknown kind of file; .* or set input_format to the format"):
        open_rows(str(path))
    assert texts(path, "txt") == ["text", "a"]
    assert texts(path, "csv") == ["a"]


def test_open_rows_decompresses_a_file_whose_format_is_given(tmp_path):
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"text\na\n"))
    assert texts(tmp_path / "notes.gz", "csv") == ["a"]


@pytest.mark.parametrize(
    ("input_format", "content"),
    [
        ("auto", "a\nb\n"),
        ("txt", "a\nb\n"),
        ("csv", "text,id\na,1\nb,2\n"),
        ("tsv", "text\tid\na\t1\nb\t2\n"),
        ("jsonl", '{"text": "a"}\n\n{"text": "b"}\n'),
    ],
)
def test_open_rows_reads_standard_input_as_lines_unless_the_format_is_given(monkeypatch, input_format, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
    with open_rows("-", input_format) as reader:
        assert list(reader.texts("text")) == ["a", "b"]
        assert reader.size is None


def test_open_rows_calls_standard_input_by_its_name(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a\n\xff\n")))
    with pytest.raises(UserError, match=r"^standard input row 2: not utf-8"):
        texts("-")


def test_open_rows_reads_a_pipe_as_it_comes(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    read_end = os.open(tmp_path / "pipe.csv", os.O_RDWR)  # so that neither side waits for the other to open it
    wanted = threading.Event()

    def write():
        with (tmp_path / "pipe.csv").open("w") as pipe:
            pipe.write("text\n" + "a\n" * 10_000)  # more than any buffer in between
            pipe.flush()
            wanted.wait(timeout=60)
            pipe.write("b\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with open_rows(str(tmp_path / "pipe.csv")) as reader:
            assert next(iter(reader)) == (2, {"text": "a"})
            assert (reader.size, reader.position) == (None, None)
    finally:
        wanted.set()
        writer.join(timeout=60)
        os.close(read_end)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt", "csv.gz"])
def test_open_rows_holds_a_small_part_of_a_large_file(tmp_path, kind):
    dice = Random(0)
    texts = [dice.randbytes(500).hex() for _ in range(20_000)]  # gzip, which reads 128 KB at once, halves them
    lines = [json.dumps({"text": text}) for text in texts] if kind == "jsonl" else texts
    content = "\n".join([*([] if kind in ("jsonl", "txt") else ["text"]), *lines, ""])
    path = tmp_path / f"a.{kind}"
    path.write_bytes(gzip.compress(content.encode(), 1) if kind.endswith("gz") else content.encode())
    tracemalloc.start()
    try:
        with open_rows(str(path)) as reader:
            rows, positions = 0, set()
            for _ in reader:
                rows += 1
                positions.add(reader.position)
            assert reader.position == reader.size
        assert (rows, len(positions) > 3) == (20_000, True)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # of 20 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("nowhere.csv", "auto", "^input: no file 'nowhere.csv'"),
        ("-", "parquet", "cannot be read from standard input or a pipe"),
    ],
)
def test_open_rows_refuses_what_it_cannot_open(name, kind, message):
    with pytest.raises(UserError, match=message):
        open_rows(name, kind)


def test_open_rows_refuses_an_unknown_format():
    with pytest.raises(ParameterError, match=r"^input_format: unknown 'jsnl'; did you mean 'jsonl'") as error:
        open_rows("-", "jsnl")
    assert all(kind in str(error.value) for kind in ("auto", *READERS))
