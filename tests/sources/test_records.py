"""Rows are numbered as a person counts them, and what cannot be a sentence is refused with its row."""

import gzip
import json
from pathlib import Path

import pytest

from polyhead.errors import UserError
from polyhead.sources.records import ROW, Layout, header, kind, records

LAYOUT = Layout("text", {"tone": "tone"}, "utf-8", '"')
COLUMNS = {"text": "text", "tone": "tone"}


def rows(path, layout=LAYOUT, columns=COLUMNS):
    return list(records(path, layout, columns))


def problem(path, layout=LAYOUT):
    with pytest.raises(UserError) as caught:
        rows(path, layout)
    return str(caught.value)


def written(tmp_path, name, content):
    path = tmp_path / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.csv", ".csv"), ("a.b.TSV", ".tsv"), ("a.csv.gz", ".csv"), ("a.jsonl.GZ", ".jsonl"), ("a.parquet", ".parquet")],
)
def test_the_kind_is_in_the_name(name, suffix):
    assert kind(Path(name)) == suffix


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.parquet.gz", "a.json", "csv"])
def test_other_kinds_are_refused(name):
    with pytest.raises(UserError, match=r"unknown kind of file; valid: \.csv"):
        kind(Path(name))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,tone\n"one, two",dry\nthree,\n'),
        ("a.tsv", "text\ttone\none, two\tdry\nthree\t\n"),
        ("a.csv.gz", 'text,tone\n"one, two",dry\nthree,\n'),
        ("a.jsonl", '{"text": "one, two", "tone": "dry"}\n{"text": "three", "tone": ""}\n'),
    ],
)
def test_the_same_rows_from_all_kinds(tmp_path, name, content):
    first = 1 if ".jsonl" in name else 2  # a header is row 1
    assert rows(written(tmp_path, name, content)) == [
        {ROW: first, "text": "one, two", "tone": "dry"},
        {ROW: first + 1, "text": "three", "tone": ""},
    ]


def test_blank_lines_are_passed_over_and_counted(tmp_path):
    found = rows(written(tmp_path, "a.csv", "text,tone\n\na,x\n\n\nb,y\n\n"))
    assert [row[ROW] for row in found] == [3, 6]
    found = rows(written(tmp_path, "a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n'))
    assert [row[ROW] for row in found] == [1, 3]


@pytest.mark.parametrize(
    "text",
    [
        "nul \0 inside",
        "🦜🦜🏽",
        "שלום عالم",
        "a\u2028b\u0085c",
        "x" * 100_000,
        'said "no"',
        "line\nbreak",
        "NA",
        "null",
        "nan",
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_odd_texts_survive(tmp_path, name, text):
    quoted = '"' + text.replace('"', '""') + '"'
    content = f"text,tone\n{quoted},dry\n" if name == "a.csv" else json.dumps({"text": text, "tone": "dry"}) + "\n"
    assert [row["text"] for row in rows(written(tmp_path, name, content))] == [text]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = written(tmp_path, "a.csv", "\ufefftext,tone\na,x\n")
    assert header(path, LAYOUT) == ["text", "tone"]
    assert rows(path) == [{ROW: 2, "text": "a", "tone": "x"}]


def test_another_encoding(tmp_path):
    path = written(tmp_path, "a.csv", "text,tone\ncafé,x\n".encode("latin-1"))
    assert rows(path, Layout("text", {"tone": "tone"}, "latin-1", '"'))[0]["text"] == "café"
    assert f"{path} row 2: text is not utf-8; set data.encoding, or save the file as UTF-8" in problem(path)
    assert "unknown encoding 'klingon'" in problem(path, Layout("text", {}, "klingon", '"'))


@pytest.mark.parametrize(
    "content", ["text,t\xf6n\n".encode("latin-1"), "text,tone\n".encode("utf-16"), gzip.compress(b"a", mtime=0)]
)
def test_a_header_in_another_encoding_names_no_column(tmp_path, content):
    with pytest.raises(UserError, match=r"a.csv row 1: the header is not utf-8; set data.encoding, or save the file"):
        header(written(tmp_path, "a.csv", content), LAYOUT)


def test_a_wrong_encoding_says_so(tmp_path):
    found = problem(written(tmp_path, "a.csv", "text,tone\na,x\n"), Layout("text", {}, "utf-16", '"'))
    assert "it is not utf-16; set data.encoding" in found


def test_quotes_can_be_plain_characters(tmp_path):
    path = written(tmp_path, "a.tsv", 'text\ttone\n"Start without end\tx\n5" wide\ty\n')
    assert "after row 1" in problem(path)
    assert "set data.quote=null" in problem(path)
    plain = Layout("text", {"tone": "tone"}, "utf-8", None)
    assert [row["text"] for row in rows(path, plain)] == ['"Start without end', '5" wide']


def test_labels_of_json_become_text(tmp_path):
    values = [3, 3.0, True, None, "three"]
    content = "".join(json.dumps({"text": "a", "tone": value}) + "\n" for value in values)
    found = [row["tone"] for row in rows(written(tmp_path, "a.jsonl", content))]
    assert found == ["3", "3", "true", None, "three"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,tone\na,x\nb\n", "row 3: 1 cells where the header has 2"),
        ("a.csv", "text,tone\na,b,x\n", "row 2: 3 cells where the header has 2"),
        ("a.csv", "text,tone\n", "no row with a sentence"),
        ("a.jsonl", '{"text": "a"}\n{"text": }\n', "row 2: no JSON (Expecting value"),
        ("a.jsonl", '{"text": 5}\n', "row 1: text is 5 and no text"),
        ("a.jsonl", '{"text": ["a"]}\n', "row 1: text is ['a'] and no text"),
        ("a.jsonl", '{"texts": "a"}\n', "row 1: no key 'text'; did you mean 'texts'"),
        ("a.jsonl", "[1]\n", "row 1: no JSON object"),
        ("a.jsonl", '{"text": "a", "tone": [1]}\n', "row 1: tone is [1]; a label must be text or a whole number"),
        ("a.jsonl", '{"text": "a", "tone": 0.5}\n', "row 1: tone is 0.5; a label must be text or a whole number"),
        ("a.jsonl", '{"text": "\\ud800"}\n', "row 1: text is not utf-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "row 2: text is not utf-8"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16"), "row 1: not utf-8; set data.encoding"),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', "row 1: no JSON (a key stands there twice)"),
        ("a.jsonl", "[" * 100_000 + "\n", "row 1: no JSON (maximum recursion depth"),
    ],
)
def test_what_cannot_be_a_sentence_is_named_with_file_and_row(tmp_path, name, content, message):
    path = written(tmp_path, name, content)
    found = problem(path)
    assert found.startswith(str(path))
    assert message in found


def test_all_problems_of_a_file_are_told_at_once_but_not_a_thousand_lines(tmp_path):
    found = problem(written(tmp_path, "a.csv", "text,tone\n" + "a\n" * 50)).splitlines()
    assert len(found) == 21
    assert "row 21:" in found[19]
    assert found[-1].endswith("30 more rows that cannot be read")


def test_an_empty_file_has_no_columns(tmp_path):
    with pytest.raises(UserError, match="its first row must name the columns"):
        header(written(tmp_path, "a.csv", ""), LAYOUT)
