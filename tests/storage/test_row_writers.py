import csv
import json
import math
from datetime import date, datetime
from decimal import Decimal

import pyarrow
import pytest
from pyarrow import parquet

from polyhead.errors import UserError
from polyhead.storage.row_writers import open_row_file

ROWS = [{"text": 'with "quotes", and\nlines', "score": 0.5}, {"text": "ü🙂", "score": None}, {"text": "", "score": 1.0}]


def written(path, rows=ROWS, types=None):
    with open_row_file(str(path), False, types or {}) as file:
        for start in range(0, len(rows), 2):
            file.append(rows[start : start + 2])
    return path


def test_json_lines_file_has_an_object_per_line(tmp_path):
    path = written(tmp_path / "a.jsonl")
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS


def test_csv_file_has_a_header_and_json_for_lists(tmp_path):
    with written(tmp_path / "a.csv", [row | {"tags": ["a", 1]} for row in ROWS]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [row["text"] for row in ROWS]
    assert [row["score"] for row in rows] == ["0.5", "", "1.0"]
    assert json.loads(rows[0]["tags"]) == ["a", 1]


def test_csv_file_has_dates_and_decimals_as_they_are_written_elsewhere(tmp_path):
    row = {"day": date(2024, 5, 1), "when": datetime(2024, 5, 1, 10, 30), "price": Decimal("1.50"), "ok": True}
    with written(tmp_path / "a.csv", [row]).open(newline="") as file:
        assert [*csv.DictReader(file)] == [
            {"day": "2024-05-01", "when": "2024-05-01 10:30:00", "price": "1.50", "ok": "True"}
        ]


def test_json_lines_file_has_null_for_what_json_does_not_know(tmp_path):
    row = {"text": "ü", "score": math.nan, "day": date(2024, 5, 1), "inner": {"all": [1.0, math.inf, "NaN"]}}
    (line,) = written(tmp_path / "a.jsonl", [row]).read_text().splitlines()
    found = json.loads(line, parse_constant=pytest.fail)
    assert found == {"text": "ü", "score": None, "day": "2024-05-01", "inner": {"all": [1.0, None, "NaN"]}}


def test_csv_file_keeps_line_ends_of_every_kind(tmp_path):
    texts = ["old\rmac", "win\r\ndows", "uni\nx", "end\r"]
    path = written(tmp_path / "a.csv", [{"text": text, "score": 0.5} for text in texts])
    with path.open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == texts
    assert path.read_bytes().startswith(b"text,score\n")


def test_parquet_file_keeps_types_that_are_known(tmp_path):
    table = parquet.read_table(written(tmp_path / "a.parquet", types={"score": pyarrow.float32()}))
    assert table.to_pylist() == ROWS
    assert table.schema.field("score").type == pyarrow.float32()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_row_file_without_rows_is_a_file(tmp_path, ending):
    assert written(tmp_path / f"a.{ending}", []).is_file()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_row_file_without_rows_has_the_columns_that_are_known(tmp_path, ending):
    columns, types = ["text", "score"], {"text": pyarrow.string(), "score": pyarrow.float32(), "spare": pyarrow.int64()}
    path = tmp_path / f"a.{ending}"
    with open_row_file(str(path), False, types, columns):
        pass
    if ending == "csv":
        assert path.read_text() == "text,score\n"
    else:
        assert parquet.read_schema(path) == pyarrow.schema([(name, types[name]) for name in columns])


def test_row_file_called_hyphen_is_standard_output(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written("-")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "row", "message"),
    [
        ("csv", {"text": "x"}, "the rows differ in the columns score"),
        ("parquet", {"text": "x", "score": 1.0, "new": 1}, "the rows differ in the columns new"),
        ("parquet", {"text": "x", "score": "many"}, "a Parquet column has one type"),
    ],
)
def test_row_file_refuses_rows_that_do_not_fit_and_leaves_nothing(tmp_path, ending, row, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path / f"a.{ending}", [*ROWS, row])
    assert list(tmp_path.iterdir()) == []
