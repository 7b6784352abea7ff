import gzip
import io
import json
import random
import sys
from contextlib import suppress
from types import SimpleNamespace

import pyarrow
import pytest
from pyarrow import parquet

from polyhead.errors import UserError
from polyhead.storage.row_readers import READERS, open_rows

ROWS = [
    {"text": "Plain.", "id": "1"},
    {"text": 'A "quoted", one\nover two lines', "id": "2"},
    {"text": "", "id": "3"},
    {"text": "Zwölf Boxkämpfer 🙂", "id": "4"},
]


def write(folder, kind):
    path = folder / f"table.{kind}"
    if kind == "csv":
        cells = [",".join('"' + value.replace('"', '""') + '"' for value in row.values()) for row in ROWS]
        path.write_text("\n".join(["text,id", *cells]) + "\n", encoding="utf-8")
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("told", [True, False])
def test_a_table_is_read_as_it_was_written(tmp_path, kind, told):
    with open_rows(write(tmp_path, kind), kind if told else "auto") as reader:
        assert list(reader) == ROWS
        assert 0 < reader.position <= reader.size


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_text_that_is_packed_is_read_as_what_it_was(tmp_path, kind):
    content = b"text,id\na,1\n" if kind == "csv" else b'{"text": "a", "id": "1"}\n'
    (tmp_path / f"a.{kind}.gz").write_bytes(gzip.compress(content))
    with open_rows(str(tmp_path / f"a.{kind}.gz"), "auto") as reader:
        assert list(reader) == [{"text": content.decode().strip()} if kind == "txt" else {"text": "a", "id": "1"}]


@pytest.mark.parametrize(
    ("kind", "columns"), [("csv", ["text", "id"]), ("parquet", ["text", "id"]), ("txt", ["text"]), ("jsonl", None)]
)
def test_columns_are_known_before_the_rows_where_they_can_be(tmp_path, kind, columns):
    (tmp_path / "table.txt").touch()
    name = str(tmp_path / "table.txt") if kind == "txt" else write(tmp_path, kind)
    with open_rows(name, kind) as reader:
        assert (reader.columns and list(reader.columns)) == columns
        reader.check("text")
        if columns:
            with pytest.raises(UserError, match="has no column 'review'; it has text.*: set text=COLUMN"):
                reader.check("review")


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    (tmp_path / "a.csv").write_text("text,id\n")
    with open_rows(str(tmp_path / "a.csv"), "auto") as reader:
        assert (reader.columns, list(reader)) == (["text", "id"], [])


def test_lines_keep_step_and_an_unknown_ending_is_lines(tmp_path):
    (tmp_path / "notes.md").write_bytes('\ufeffOne\r\n\r\nthree, "3"\nno end'.encode())
    with open_rows(str(tmp_path / "notes.md"), "auto") as reader:
        assert [row["text"] for row in reader] == ["One", "", 'three, "3"', "no end"]


def test_a_long_field_and_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\n" + b"x" * 200_000 + b"\n")
    with open_rows(str(tmp_path / "a.csv"), "auto") as reader:
        assert [len(row["text"]) for row in reader] == [200_000]


def test_standard_input_is_lines_unless_told(monkeypatch):
    for kind, content in (("auto", b"a\nb\n"), ("jsonl", b'{"text": "a"}\n\n{"text": "b"}\n')):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        with open_rows("-", kind) as reader:
            assert [row["text"] for row in reader] == ["a", "b"]
            assert reader.size is None


def test_a_parquet_file_tells_its_types(tmp_path):
    with open_rows(write(tmp_path, "parquet"), "auto") as reader:
        assert reader.schema.names == ["text", "id"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"fine\n\xff\xfe\n", "line 2 of .* is not UTF-8"),
        ("a.csv", b"text\nfine\n\xff\xfe\n", "is not UTF-8"),
        ("a.csv", b"text,id\nfine,1\nshort\n", "line 3 of .* has more or fewer values than the header"),
        ("a.csv", b"text,id\nlong,1,2\n", "line 2 of .* has more or fewer values than the header"),
        ("a.csv", b'text\n"open\n', "is no CSV"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', "line 2 of .* is not JSON"),
        ("a.jsonl", b'["text"]\n', "line 1 of .* is not a JSON object"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": "\\ud83d"}\n', "line 2 of .* has half of a character"),
        ("a.jsonl", b"[" * 100_000, "line 1 of .* is not JSON"),
        ("a.csv", b"", "is empty; its first row must name the columns"),
        ("a.csv", b"text,id,text\na,1,b\n", "has 2 columns called 'text'; give each a name of its own"),
        ("a.csv.gz", gzip.compress(b"text\n" * 1000, mtime=0)[:-9], "cannot be read"),
        ("a.parquet", b"PAR1 not at all", "is no Parquet file"),
    ],
)
def test_a_damaged_table_is_told_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as error, open_rows(str(tmp_path / name), "auto") as reader:
        list(reader)
    assert "\n" not in str(error.value)


def test_damage_anywhere_in_a_parquet_file_is_told_or_does_no_harm(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": [f"text {i}" for i in range(500)]}), path)
    good, chance = path.read_bytes(), random.Random(0)
    for _ in range(100):
        damaged = bytearray(good)
        for _ in range(3):
            damaged[chance.randrange(len(good))] = chance.randrange(256)
        path.write_bytes(damaged)
        with suppress(UserError), open_rows(str(path), "auto") as reader:
            list(reader)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("nowhere.csv", "auto", "no file 'nowhere.csv'"),
        ("-", "xml", f"unknown 'xml'; valid: auto, {', '.join(READERS)}"),
        ("-", "parquet", "cannot be read from standard input or a pipe"),
    ],
)
def test_what_cannot_be_opened_is_told(name, kind, message):
    with pytest.raises(UserError, match=message):
        open_rows(name, kind)
