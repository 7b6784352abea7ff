"""Tables are the same whatever kind of file they come from; an unchanged file is read once."""

import gzip
import os

import pandas
import pyarrow
import pytest
from pyarrow import parquet

from polyhead.errors import UserError
from polyhead.sources.column_choice import choose
from polyhead.sources.records import ROW, Columns
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read
from polyhead.sources.tables import Table, check_types
from polyhead.storage.dialect import Dialect

COLUMNS = Columns("text", {"tone": "label"})
DIALECT = Dialect()


def content(table):
    rows = [{name: array.to_pylist() for name, array in chunk.items()} for chunk in table.chunks()]
    return {name: [value for chunk in rows for value in chunk[name]] for name in rows[0]}


def test_table_of_csv_is_that_of_parquet(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,label\n1,NA,dry\n2,two, \n3,three, warm \n")
    frame = pandas.DataFrame({"id": [1, 2, 3], "text": ["NA", "two", "three"], "label": ["dry", None, "warm"]})
    frame.to_parquet(tmp_path / "a.parquet")
    csv, parquet = (
        read(tmp_path / name, COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))
        for name in ("a.csv", "a.parquet")
    )
    assert content(csv) == content(parquet) == {"text": ["NA", "two", "three"], "tone": ["dry", None, "warm"]}
    assert csv.tasks == parquet.tasks == ["tone"]
    assert [csv.row(2), parquet.row(2)] == [4, 3]  # a header is row 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pandas.Series([1, 2, 1]), ["1", "2", "1"]),
        (pandas.Series([1.0, None, 3.0]), ["1", None, "3"]),
        (pandas.Series([True, False, None], dtype="boolean"), ["true", "false", None]),
        (pandas.Categorical(["a", None, "b"]), ["a", None, "b"]),
        (pandas.Series(["", " a ", "b"]), [None, "a", "b"]),
    ],
)
def test_table_gives_labels_of_parquet_as_text(tmp_path, labels, expected):
    pandas.DataFrame({"text": ["x", "y", "z"], "label": labels}).to_parquet(tmp_path / "a.parquet")
    assert (
        content(read(tmp_path / "a.parquet", COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1)))["tone"]
        == expected
    )


def test_table_gives_class_labels_of_the_hub_by_name():
    import datasets

    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["dry", "warm"])}
    rows = datasets.Dataset.from_dict({"text": ["x", "y", "z"], "label": [1, 0, -1]}, datasets.Features(features))
    columns = {"text": "text", "label": "tone"}
    check_types(rows, columns, "hub")
    table = Table("hub", rows, columns, "")
    assert content(table)["tone"] == ["warm", "dry", None]


@pytest.mark.parametrize("cells", [[0, 1, 7], [[0], [], [1, 7]]])
def test_table_refuses_the_number_of_no_class(cells):
    import datasets

    label = datasets.ClassLabel(names=["dry", "warm"])
    kinds = datasets.Features({"text": datasets.Value("string"), "label": label if cells[0] == 0 else [label]})
    plain = datasets.Dataset.from_dict({"text": ["x", "y", "z"], "label": cells})
    rows = datasets.Dataset(plain.data, datasets.DatasetInfo(features=kinds))  # the library does not look at them
    free = [] if cells[0] == 0 else ["tone"]
    with pytest.raises(UserError, match=r"hub row 3: label: 7 is the number of no class; they are 0 to 1, and -1"):
        content(Table("hub", rows, {"text": "text", "label": "tone"}, "", free=free))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"text": [1, 2], "label": ["a", "b"]}, "the column 'text' holds int64; the text must be text"),
        ({"text": ["a", "b"], "label": [["a"], ["b"]]}, "'label' holds List.*labels must be text or whole numbers"),
        ({"text": [], "label": []}, "a.parquet: no row with a sentence"),
        ({"texts": ["a"], "label": ["b"]}, "no column 'text' for the text, set text .*; did you mean 'texts'"),
    ],
)
def test_read_refuses_columns_of_a_wrong_type(tmp_path, frame, message):
    pandas.DataFrame(frame).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.parquet", COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))


def unchecked(cells):
    """Bytes that say they are text, as any writer of Parquet can put them down."""
    return pyarrow.Array.from_buffers(pyarrow.string(), len(cells), pyarrow.array(cells).buffers())


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], [1.0, 0.5], "label is 0.5; a label must be a whole number or text in UTF-8"),
        (["a", "b"], [1.0, float("inf")], "label is inf; a label"),
        (["a", "b"], [b"a", b"\xff"], r"label is b'\\xff'; a label"),
        (["a", "b"], unchecked([b"a", b"\xff"]), r"label is b'\\xff'; a label"),
        (unchecked([b"a", b"caf\xe9"]), ["a", "b"], r"text is b'caf\\xe9'; it must be text in UTF-8"),
    ],
)
def test_table_refuses_cells_that_are_no_text_with_their_row(tmp_path, texts, labels, message):
    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=f"a.parquet row 2: {message}"):
        content(read(tmp_path / "a.parquet", COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1)))


def test_read_takes_string_views_and_names_with_brackets(tmp_path):
    texts = pyarrow.array(["x", "y"], pyarrow.string_view())
    parquet.write_table(pyarrow.table({"text": texts, "label": texts}), tmp_path / "a[1].parquet")
    assert content(read(tmp_path / "a[1].parquet", COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1)))[
        "text"
    ] == ["x", "y"]


def test_table_may_have_a_column_called_like_the_row_numbers(tmp_path):
    parquet.write_table(pyarrow.table({"text": ["x", "y"], ROW: ["a", "b"]}), tmp_path / "a.parquet")
    table = read(
        tmp_path / "a.parquet", Columns("text", {"tone": ROW}), DIALECT, TableCache(str(tmp_path / "cache"), 1)
    )
    assert content(table)["tone"] == ["a", "b"]
    assert table.row(1) == 2


def test_table_without_a_tasks_column_has_no_labels_for_it(tmp_path):
    (tmp_path / "a.csv").write_text("text\nx\n")
    assert read(tmp_path / "a.csv", COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1)).tasks == []


def test_read_takes_an_unchanged_file_from_the_cache_and_reads_a_changed_one(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("text,label\nx,dry\n")
    first = read(path, COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))
    monkeypatch.setattr("polyhead.sources.table_reader.records", lambda *_, **__: pytest.fail("read again"))
    again = read(path, COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))
    assert (again.stamp, content(again)) == (first.stamp, content(first))
    monkeypatch.undo()
    path.write_text("text,label\ny,dry\n")
    os.utime(path, ns=(0, 1))
    changed = read(path, COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))
    assert changed.stamp != first.stamp
    assert content(changed)["text"] == ["y"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.parquet", b"no parquet at all", "no Parquet file"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"text,label\na,x\n", mtime=0)[:10] + b"\xff" * 20, "a.csv.gz: cannot be read"),
        ("a.csv", b"text,text\na,b\n", "the column 'text' stands there twice"),
        ("a.csv", b"text,label\na,x\nb\n", r"a.csv row 3: 1 cells"),
        ("a.csv", b'text,label\n"a,x\n', "after row 1: unexpected end of data"),
    ],
)
def test_read_names_a_file_that_cannot_be_read(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))


def test_choose_maps_columns_to_tasks():
    assert choose("a", ["id", "label", "text"], COLUMNS) == {"text": "text", "label": "tone"}


def test_read_says_what_to_install_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    (tmp_path / "a.csv").write_text("text\nx\n")
    with pytest.raises(UserError, match=r'is not installed; run: pip install "polyhead\[data\]"'):
        read(tmp_path / "a.csv", COLUMNS, DIALECT, TableCache(str(tmp_path / "cache"), 1))
