"""Files of all formats become the same table; a table is read again exactly when the content of its file changes."""

import json
import os

import datasets
import openpyxl
import pyarrow
import pytest
from pyarrow import feather, parquet

from polyhead.errors import ParameterError, UserError
from polyhead.sources.file_paths import find_files
from polyhead.sources.hub import HubSource
from polyhead.sources.records import Columns
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import open_rows

ROWS = [{"text": "one", "tone": "dry"}, {"text": "zwölf\nboxer", "tone": None}, {"text": "three", "tone": "warm"}]
COLUMNS = Columns("text", {"tone": "tone"})


def content(path, columns=COLUMNS, missing_values=()):
    table = read(path, columns, Dialect(), TableCache(str(path.parent / "cache"), 1), missing_values)
    chunks = list(table.chunks())
    return {name: [cell for chunk in chunks for cell in chunk[name].to_pylist()] for name in chunks[0]}


def save(path, rows=ROWS):
    table = pyarrow.Table.from_pylist(rows)
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.name == "feather.arrow":
        feather.write_feather(table, str(path))
    elif path.suffix == ".arrow":
        with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    elif path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
            book.active.append(row)
        book.save(path)
    else:
        datasets.Dataset.from_list(rows).save_to_disk(str(path))
    return path


NAMES = ["a.json", "a.jsonl", "a.parquet", "feather.arrow", "stream.arrow", "a.xlsx", "saved"]


@pytest.mark.parametrize("name", NAMES)
def test_read_gives_the_same_table_of_all_formats(tmp_path, name):
    path = save(tmp_path / name)
    expected = {"text": [row["text"] for row in ROWS], "tone": ["dry", None, "warm"]}
    assert content(path) == content(path) == expected
    assert content(path, missing_values=["warm", "x"])["tone"] == ["dry", None, None]
    if path.is_file():
        with open_rows(str(path)) as reader:
            assert list(reader.texts("text")) == expected["text"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet", "stream.arrow", "saved"])
def test_read_takes_nested_columns_and_joins_several(tmp_path, name):
    rows = [
        {"title": "A", "body": {"text": "b", "meta": {"tone": "dry"}}},
        {"title": " ", "body": {"text": "c", "meta": {"tone": "warm"}}},
        {"title": None, "body": {"text": None, "meta": {"tone": "dry"}}},
    ]
    path = save(tmp_path / name, rows)
    columns = Columns(["title", "body.text"], {"tone": "body.meta.tone"})
    found = content(path, columns)
    assert found["text"][:2] == ["A\nb", "c"]
    assert found["text"][2] in (None, "")
    assert found["tone"] == ["dry", "warm", "dry"]
    with pytest.raises(UserError, match="has no|no key|no column|holds"):
        content(path, Columns("body.txt", {}))


def test_read_joins_columns_of_csv(tmp_path):
    (tmp_path / "a.csv").write_text("title,body,tone\nA,b,dry\n,c,warm\n")
    assert content(tmp_path / "a.csv", Columns(["title", "body"], {}))["text"] == ["A\nb", "c"]


def test_read_gives_class_names_of_a_saved_data_set(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "tone": datasets.ClassLabel(names=["dry", "warm"])})
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "tone": [1, 0, -1]}, features)
    data.save_to_disk(str(tmp_path / "saved"))
    files = list((tmp_path / "saved").glob("*.arrow"))
    for path in (tmp_path / "saved", *files):
        assert content(path)["tone"] == ["warm", "dry", None]
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(str(tmp_path / "both"))
    assert content(tmp_path / "both" / "test")["tone"] == ["warm", "dry", None]
    with pytest.raises(ParameterError, match=r"holds several splits \(test, train\); name one, as in .*both/test"):
        find_files("files.train", str(tmp_path / "both"))
    common = {"holdout": {}, "seed": 0, "drop_test_duplicates": False, "min_class_count": 0, "max_examples": 3}
    hub = HubSource(
        str(tmp_path / "both"), None, {"train": "train"}, "text", None, **common, cache=str(tmp_path / "cache")
    )
    assert hub.find_labels(["tone"]) == {"tone": ["dry", "warm"]}


def test_read_notices_a_change_that_leaves_size_and_time_as_they_were(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,tone\nx,dry\n")
    os.utime(path, ns=(5, 5))
    assert content(path)["text"] == ["x"]
    path.write_text("text,tone\ny,dry\n")
    os.utime(path, ns=(5, 5))
    assert content(path)["text"] == ["y"]


def test_read_stamps_tables_by_what_is_read_of_them(tmp_path):
    path = save(tmp_path / "saved")

    def stamp(columns, missing_values=()):
        return read(path, columns, Dialect(), TableCache(str(tmp_path / "cache"), 1), missing_values).stamp

    stamps = [stamp(COLUMNS), stamp(Columns("tone", {"x": "text"})), stamp(Columns(["text", "tone"], {}))]
    stamps += [stamp(Columns(["tone", "text"], {})), stamp(COLUMNS, ["dry"])]
    assert len(set(stamps)) == 5
    assert stamp(COLUMNS) == stamps[0]


def test_read_tells_how_a_file_is_separated_and_which_rows_a_quote_joined(tmp_path, caplog):
    path = tmp_path / "a.csv"
    path.write_text('text;tone\n"so it is;dry\nit is;warm\nand "" so;dry\nthus";warm\n"a line\nand, another";dry\n')
    table = read(path, COLUMNS, Dialect(), TableCache(str(tmp_path / "cache"), 1))
    assert "a.csv: cells are separated by ';', as in its header; see separator" in caplog.text
    assert (len(table), [table.row(index) for index in table.joined()]) == (2, [2])
