"""Rows of text files are numbered as a person counts them, and a bad row is refused with its number."""

import gzip
import json

import pytest

from polyhead.errors import UserError
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import BadRow

TEXTS = ["Plain.", 'A "quoted", one\nover two lines', "", "Zwölf Boxkämpfer 🙂"]
ODD_TEXTS = [
    "nul \0 inside",
    "🦜🦜🏽",
    "שלום عالم",
    "a\u2028b\u0085c",
    "x" * 200_000,
    'said "no"',
    "line\nbreak",
    "carriage\rreturn",
    "NA",
    "null",
    " padded ",
]


def write(tmp_path, name, content):
    data = content if isinstance(content, bytes) else content.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data, mtime=0) if name.lower().endswith(".gz") else data)
    return str(path)


def rows(path, *arguments):
    with open_rows(path, *arguments) as reader:
        return list(reader)


def texts(path, *arguments):
    return [row["text"] for _, row in rows(path, *arguments)]


def quoted(cells, separator):
    return separator.join('"' + cell.replace('"', '""') + '"' for cell in cells)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,tone\n"one, two",dry\nthree,\n'),
        ("a.tsv", "text\ttone\none, two\tdry\nthree\t\n"),
        ("a.csv.gz", 'text,tone\n"one, two",dry\nthree,\n'),
        ("a.csv", 'text,tone\r\n"one, two",dry\r\nthree,'),
        ("a.jsonl", '{"text": "one, two", "tone": "dry"}\n{"text": "three", "tone": ""}\n'),
        ("a.JSONL.GZ", '{"text": "one, two", "tone": "dry"}\n{"text": "three", "tone": ""}'),
    ],
)
def test_text_readers_give_the_same_rows_of_all_formats(tmp_path, name, content):
    first = 1 if "json" in name.lower() else 2  # a header is row 1
    assert rows(write(tmp_path, name, content)) == [
        (first, {"text": "one, two", "tone": "dry"}),
        (first + 1, {"text": "three", "tone": ""}),
    ]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_csv_rows_count_a_cell_over_two_lines_as_one_row(tmp_path, separator):
    lines = [quoted(cells, separator) for cells in [("text", "id"), *((text, str(i)) for i, text in enumerate(TEXTS))]]
    path = write(tmp_path, "a.csv" if separator == "," else "a.tsv", "\n".join(lines))
    assert rows(path) == [(i + 2, {"text": text, "id": str(i)}) for i, text in enumerate(TEXTS)]


def test_csv_rows_and_json_lines_skip_blank_lines_and_count_them(tmp_path):
    found = rows(write(tmp_path, "a.csv", "text,tone\n\na,x\n\n\nb,y\n\n"))
    assert [number for number, _ in found] == [3, 6]
    found = rows(write(tmp_path, "a.jsonl", '{"text": "a"}\n\n  \n{"text": "b"}\n'))
    assert [number for number, _ in found] == [1, 4]


@pytest.mark.parametrize(
    ("before", "separator"),
    [("", ","), ("\n\r\n", ","), ("sep=;\r\n", ";"), ("\ufeffSEP=|\n\n", "|"), ("sep=\t\n", "\t"), ("sep=,\n", ",")],
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_csv_rows_begin_at_the_header_and_follow_the_separator_that_excel_writes(tmp_path, name, before, separator):
    if "=" not in before:
        separator = "," if name == "a.csv" else "\t"
    content = before + separator.join(["text", "tone"]) + "\n" + separator.join(['"one, two;|"', "dry"])
    first = before.count("\n") + 2
    assert rows(write(tmp_path, name, content), "auto", Dialect(quote='"')) == [
        (first, {"text": "one, two;|", "tone": "dry"})
    ]


def test_csv_rows_take_the_separator_that_is_given_whatever_the_file_says(tmp_path):
    path = write(tmp_path, "a.csv", "sep=;\ntext,tone\na;b,x\n")
    assert rows(path, "auto", Dialect(separator=",")) == [(3, {"text": "a;b", "tone": "x"})]


def test_csv_rows_of_blank_lines_alone_have_no_header(tmp_path):
    with pytest.raises(UserError, match="empty; its first row must name the columns"):
        rows(write(tmp_path, "a.csv", "\n\nsep=;\n\n"))


def test_text_lines_keep_empty_lines_so_that_rows_stay_in_step(tmp_path):
    found = rows(write(tmp_path, "a.txt", '\ufeffOne\r\n\r\nthree, "3"\ra\u2028b\nno end'))
    assert found == [
        (i, {"text": text}) for i, text in enumerate(["One", "", 'three, "3"\ra\u2028b', "no end"], start=1)
    ]


@pytest.mark.parametrize("text", ODD_TEXTS)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_text_readers_keep_odd_texts(tmp_path, name, text):
    separator = "\t" if name == "a.tsv" else ","
    content = (
        json.dumps({"text": text}) if name == "a.jsonl" else f"text{separator}id\n{quoted([text, '1'], separator)}"
    )
    assert texts(write(tmp_path, name, content)) == [text]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8_sig"])
def test_text_readers_skip_a_byte_order_mark(tmp_path, name, encoding):
    content = {"a.jsonl": '{"text": "a"}\n', "a.txt": "a\n"}.get(name, "text\na\n")
    path = write(tmp_path, name, "\ufeff" + content)
    assert texts(path, "auto", Dialect(encoding)) == ["a"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_text_readers_read_other_encodings(tmp_path, name, encoding):
    content = {"a.jsonl": '{"text": "café"}\n', "a.txt": "café\n"}.get(name, "text\ncafé\n")
    assert texts(write(tmp_path, name, content.encode(encoding)), "auto", Dialect(encoding)) == ["café"]


def test_csv_rows_read_quotes_as_plain_characters_where_there_are_none(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\ttone\n"Start without end\tx\n5" wide\ty\n')
    with pytest.raises(UserError, match=r"a\.tsv after row 1: .*; where quotes are plain characters, set quote=null"):
        rows(path, "auto", Dialect(quote='"'))
    for dialect in (Dialect(), Dialect(quote=None)):
        assert texts(path, "auto", dialect) == ['"Start without end', '5" wide']
    single = write(tmp_path, "a.csv", "text,tone\n'one, two',x\n")
    assert texts(single, "auto", Dialect(quote="'")) == ["one, two"]


def test_csv_rows_know_their_columns_before_the_rows(tmp_path):
    with open_rows(write(tmp_path, "a.csv", "text,id\n")) as reader:
        assert (reader.columns, list(reader)) == (["text", "id"], [])
    with open_rows(write(tmp_path, "a.jsonl", "{}")) as reader:
        assert reader.columns is None
        reader.check("anything")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,tone\na,x\nb\n", "a.csv row 3: 1 cells where the header has 2"),
        ("a.csv", "text,tone\na,b,x\n", "a.csv row 2: 3 cells where the header has 2"),
        ("a.csv", b"text,tone\na,x\nb,\xff\n", "a.csv row 3: tone is not utf-8; set encoding .* or save the file as"),
        ("a.csv", 'text\n"open\n', "a.csv after row 1: unexpected end of data"),
        ("a.csv", '"open\n', "a.csv row 1: unexpected end of data"),
        ("a.csv", "", "a.csv: empty; its first row must name the columns"),
        ("a.csv", "\n\n", "a.csv: empty; its first row must name the columns"),
        ("a.csv", "text,text\na,b\n", "a.csv: the column 'text' stands there twice; rename one"),
        ("a.csv", "text,t\xf6n\n".encode("latin-1"), "a.csv row 1: the header is not utf-8; set encoding"),
        ("a.csv", "text,tone\n".encode("utf-16"), "a.csv row 1: the header is not utf-8"),
        ("a.csv", gzip.compress(b"a", mtime=0), "a.csv row 1: the header is not utf-8"),
        ("a.csv.gz", gzip.compress(b"text\n" * 1000, mtime=0)[:-9], "a.csv.gz: cannot be read"),
        ("a.jsonl", '{"text": "a"}\n{"text": }\n', r"a.jsonl row 2: no JSON \(Expecting value"),
        ("a.jsonl", "[1]\n", "a.jsonl row 1: no JSON object"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "a.jsonl row 2: not utf-8; set encoding"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16"), "a.jsonl row 1: not utf-8; set encoding"),
        ("a.jsonl", '{"text": "\\ud800"}\n', "a.jsonl row 1: half of a character, such as"),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', r"a.jsonl row 1: no JSON \(a key stands there twice\)"),
        ("a.jsonl", "[" * 100_000 + "\n", r"a.jsonl row 1: no JSON \(maximum recursion depth"),
        ("a.txt", b"fine\n\xff\xfe\n", "a.txt row 2: not utf-8; set encoding"),
    ],
)
def test_text_readers_refuse_what_they_cannot_read_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as error:
        rows(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_text_readers_name_an_encoding_that_cannot_skip_bytes(tmp_path, name):
    path = write(tmp_path, name, "text,tone\na,x\n")
    with pytest.raises(UserError, match="row 1: .*; it is not utf-16; set encoding"):
        rows(path, "auto", Dialect("utf-16"))


def test_text_readers_can_go_past_a_bad_row(tmp_path):
    with open_rows(write(tmp_path, "a.csv", "text,tone\na\nb,x\n")) as reader:
        assert list(reader.good_and_bad_rows()) == [
            (2, BadRow("1 cells where the header has 2")),
            (3, {"text": "b", "tone": "x"}),
        ]
