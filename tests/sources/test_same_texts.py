"""Training and prediction see the same texts in the same rows of a file, or refuse it in the same words."""

import gzip
import json
import random

import pyarrow
import pytest
from pyarrow import parquet

from polyhead.errors import UserError
from polyhead.sources.records import Columns
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import open_rows

PLAIN = Dialect()
LATIN = Dialect("latin-1")
UNQUOTED = Dialect(quote=None)
PIECES = ['"', '""', "'", "\n", "\n\n", "\r\n", "\r", ",", "\t", "\0", "é", "🦜", "\u2028", "\x85", "\ufeff", " ", "a"]
PIECES += [
    "word",
    '"a, b"',
    '"two\nlines"',
    "\\",
    "\\ud83d",
    '{"text": "a"}',
    '{"text": ',
    "null",
    "5",
    b"\xff",
    b"\xe9",
]


def as_predict_reads(path, dialect):
    try:
        with open_rows(str(path), "auto", dialect) as reader:
            reader.check("text")
            return [(number, reader.text_of(number, row, "text")) for number, row in reader]
    except UserError as error:
        return str(error)


def as_training_reads(path, dialect):
    try:
        table = read(path, Columns("text", {}), dialect, TableCache(str(path.parent / "cache"), 1))
        texts = [text for chunk in table.chunks() for text in chunk["text"].to_pylist()]
    except UserError as error:
        first = str(error).splitlines()[0]
        return [] if first == f"{path}: no row with a sentence" else first
    return [(table.row(index), text) for index, text in enumerate(texts)]


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    compressed = data.startswith(b"\x1f\x8b")
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" and not compressed else data)
    return path


READABLE = {
    "plain": ("a.csv", "id,text\n1,one\n2,two\n", PLAIN, [(2, "one"), (3, "two")]),
    "tabs": ("a.tsv", "id\ttext\n1\tone, two\n", PLAIN, [(2, "one, two")]),
    "quoted": ("a.csv", 'id,text\n1,"said ""no"", twice"\n', PLAIN, [(2, 'said "no", twice')]),
    "newlines in cells": ("a.csv", 'text\n"one\n\ntwo"\nthree\n', PLAIN, [(2, "one\n\ntwo"), (3, "three")]),
    "blank lines": ("a.csv", "text,id\n\none,1\n\n\ntwo,2\n\n", PLAIN, [(3, "one"), (6, "two")]),
    "carriage returns": ("a.tsv", "text\tid\r\none\t1\r\n", PLAIN, [(2, "one")]),
    "old line ends": ("a.csv", "text,id\rone,1\rtwo,2", PLAIN, [(2, "one"), (3, "two")]),
    "byte order mark": ("a.csv", "\ufefftext,id\none,1\n", PLAIN, [(2, "one")]),
    "latin-1": ("a.tsv", "text\tid\ncafé\t1\n".encode("latin-1"), LATIN, [(2, "café")]),
    "utf-16": ("a.csv", "text,id\ncafé,1\n".encode("utf-16"), Dialect("utf-16"), [(2, "café")]),
    "compressed": ("a.tsv.gz", "text\tid\none\t1\n", PLAIN, [(2, "one")]),
    "stray quotes": ("a.tsv", 'text\tid\n"so it is\t1\n5" wide\t2\n', UNQUOTED, [(2, '"so it is'), (3, '5" wide')]),
    "nul": ("a.csv", "text,id\na\0b,1\n", PLAIN, [(2, "a\0b")]),
    "quotes throughout": ("a.tsv", 'text\tid\n"one\ttwo"\t1\n"a ""b"""\t2\n', PLAIN, [(2, "one\ttwo"), (3, 'a "b"')]),
    "quotes here and there": (
        "a.tsv",
        'text\tid\n"so it is\t1\nit is "\t2\n',
        PLAIN,
        [(2, '"so it is'), (3, 'it is "')],
    ),
    "semicolons": ("a.csv", 'text;id\n"one; two";1\n', PLAIN, [(2, "one; two")]),
    "a separator that is given": ("a.csv", "text^id\none, two^1\n", Dialect(separator="^"), [(2, "one, two")]),
    "array": ("a.json", '[{"text": "one"},\n {"text": "\\ud83e\\udd9c"}]', PLAIN, [(1, "one"), (2, "🦜")]),
    "lines in json": ("a.json", '{"text": "one"}\n\n{"text": "two"}\n', PLAIN, [(1, "one"), (3, "two")]),
    "nan": ("a.jsonl", '{"text": "one"}\n{"text": NaN}\n', PLAIN, [(1, "one"), (2, None)]),
    "null": ("a.jsonl", '{"text": "a"}\n\n{"text": null}\n', PLAIN, [(1, "a"), (3, None)]),
    "unicode line ends": ("a.csv", "text\na\u2028b\x85c\x0bd\n", PLAIN, [(2, "a\u2028b\x85c\x0bd")]),
    "empty text": ("a.csv", "text,id\n,1\n", PLAIN, [(2, "")]),
    "header alone": ("a.csv", "text,id\n", PLAIN, []),
    "json": ("a.jsonl", '{"text": "one"}\n\n{"id": 2, "text": "\\ud83e\\udd9c"}\n', PLAIN, [(1, "one"), (3, "🦜")]),
    "json mark": ("a.jsonl.gz", '\ufeff{"text": "one", "more": {"a": [1]}}\n', PLAIN, [(1, "one")]),
}

REFUSED = {
    "latin-1 as utf-8": ("a.csv", b"text,id\none,1\ncaf\xe9,2\n", PLAIN, "row 3: text is not utf-8; set encoding"),
    "other column": ("a.csv", b"text,id\none,\xe9\n", PLAIN, "row 2: id is not utf-8"),
    "header as utf-8": ("a.csv", b"text,\xe9\none,2\n", PLAIN, "row 1: the header is not utf-8"),
    "utf-8 as utf-16": ("a.csv", "text,id\none,1\n", Dialect("utf-16"), "row 1: .*it is not utf-16"),
    "stray quotes": (
        "a.tsv",
        'text\tid\n"so it is\t1\nit is 5" wide\t2\n',
        Dialect(quote='"'),
        "after row 1: .* set quote=null",
    ),
    "long row": ("a.csv", "text,id\na,1,2\n", PLAIN, "row 2: 3 cells where the header has 2"),
    "short row": ("a.csv", "text,id\na,1\nb\n", PLAIN, "row 3: 1 cells"),
    "good, bad, worse": ("a.csv", 'text,id\na,1\nb\n"c', PLAIN, "row 3: 1 cells"),
    "empty": ("a.csv", "", PLAIN, "empty; its first row must name the columns"),
    "columns of one name": ("a.csv", "text,id,id\na,1,2\n", PLAIN, "the column 'id' stands there twice; rename one"),
    "no column": ("a.csv", "texts,id\na,1\n", PLAIN, "no column 'text' for the text, set text"),
    "cut off": ("a.csv.gz", gzip.compress(b"text\n" + b"a\n" * 999, mtime=0)[:-9], PLAIN, "cannot be read"),
    "keys of one name": ("a.jsonl", '{"text": "a", "text": "b"}\n', PLAIN, "row 1: no JSON .a key stands there twice"),
    "no key": ("a.jsonl", '{"text": "a"}\n{"texts": "b"}\n', PLAIN, "row 2: no key 'text' for the text"),
    "no json": ("a.jsonl", '{"text": "a"}\n{"text"\n', PLAIN, "row 2: no JSON"),
    "no object": ("a.jsonl", '"text"\n', PLAIN, "row 1: no JSON object"),
    "no text": ("a.jsonl", '{"text": "a"}\n{"text": 5}\n', PLAIN, "row 2: text is 5 and no text"),
    "no array": ("a.json", '[{"text": "a"}, ', PLAIN, "a.json: no JSON"),
    "array of texts": ("a.json", '["a"]', PLAIN, "row 1: no JSON object"),
    "half a character": ("a.jsonl", '{"text": "\\ud83d"}\n', PLAIN, "row 1: half of a character"),
    "bytes in json": ("a.jsonl", b'{"text": "\xe9"}\n', PLAIN, "row 1: not utf-8"),
    "no gzip": ("a.csv", gzip.compress(b"text\na\n", mtime=0), PLAIN, "row 1: the header is not utf-8"),
}


@pytest.mark.parametrize("case", READABLE)
def test_same_texts_are_read_for_training_and_for_prediction(tmp_path, case):
    name, content, dialect, expected = READABLE[case]
    path = write(tmp_path / name, content)
    assert as_predict_reads(path, dialect) == as_training_reads(path, dialect) == expected


@pytest.mark.parametrize("case", REFUSED)
def test_same_line_refuses_a_file_for_training_and_for_prediction(tmp_path, case):
    name, content, dialect, message = REFUSED[case]
    path = write(tmp_path / name, content)
    line = as_training_reads(path, dialect)
    assert as_predict_reads(path, dialect) == line
    with pytest.raises(UserError, match=message):
        raise UserError(line)


def unchecked(cells):
    """Make an array of bytes that claim to be text, as any writer of Parquet can."""
    return pyarrow.Array.from_buffers(pyarrow.string(), len(cells), pyarrow.array(cells).buffers())


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["one", "", "two\nlines", "a\0b"], [(1, "one"), (2, ""), (3, "two\nlines"), (4, "a\0b")]),
        (pyarrow.array(["one"], pyarrow.large_string()), [(1, "one")]),
        (["one", None], [(1, "one"), (2, None)]),
        ([5, 6], "a.parquet: the column 'text' holds int64; the text must be text"),
        ([b"one"], "a.parquet: the column 'text' holds binary; the text must be text"),
        (unchecked([b"a", b"caf\xe9"]), "a.parquet row 2: text is b'caf\\xe9'; it must be text in UTF-8"),
    ],
)
def test_same_texts_or_the_same_line_come_of_parquet(tmp_path, monkeypatch, texts, expected):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": texts}), path)
    expected = f"{tmp_path}/{expected}" if isinstance(expected, str) else expected
    assert as_predict_reads(path, PLAIN) == as_training_reads(path, PLAIN) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_same_texts_or_the_same_line_come_of_random_files(tmp_path, name):
    chance = random.Random(name)
    outcomes = set()
    for number in range(40):
        pieces = [chance.choice(PIECES) for _ in range(chance.randrange(12))]
        body = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
        head = json.dumps({"text": "first"}).encode() if name == "a.jsonl" else b"text"
        (tmp_path / str(number)).mkdir()
        path = write(tmp_path / str(number) / name, head + b"\n" + body)
        dialect = chance.choice([PLAIN, PLAIN, LATIN, UNQUOTED])
        found = as_predict_reads(path, dialect)
        assert found == as_training_reads(path, dialect), path.read_bytes()
        outcomes.add(isinstance(found, str))
    assert outcomes == {True, False}
