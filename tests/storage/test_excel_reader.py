"""Rows of Excel files are those of CSV, with the numbers that the spreadsheet shows."""

import datetime

import openpyxl
import pytest

from polyhead.errors import ParameterError, UserError
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import open_rows


def write(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for number, row in enumerate(rows, start=1):
            for column, cell in enumerate(row, start=1):
                sheet.cell(number, column, cell)
    book.save(path)
    return str(path)


def test_excel_rows_are_texts_with_the_numbers_of_the_sheet(tmp_path):
    path = write(
        tmp_path / "a.xlsx",
        one=[
            ["text", None, "mood"],
            ["good", "x", 1],
            [],
            ["so, so\nthen", None, None],
            [5, "y", 0.5],
            ["t", None, True],
        ],
    )
    with open_rows(path) as reader:
        assert reader.columns == ["text", "mood"]
        assert list(reader) == [
            (2, {"text": "good", "mood": "1"}),
            (4, {"text": "so, so\nthen", "mood": None}),
            (5, {"text": "5", "mood": "0.5"}),
            (6, {"text": "t", "mood": "true"}),
        ]
        assert reader.notes == []


def test_excel_rows_count_empty_rows_above_the_header(tmp_path):
    path = write(tmp_path / "a.xlsx", one=[[], [None, "text"], [None, datetime.date(2024, 5, 1)]])
    with open_rows(path) as reader:
        assert list(reader) == [(3, {"text": "2024-05-01"})]


def test_excel_rows_say_which_of_several_sheets_is_read(tmp_path):
    with open_rows(write(tmp_path / "a.xlsx", empty=[], two=[["text"], ["a"]], three=[["text"], ["b"]])) as reader:
        assert [row["text"] for _, row in reader] == ["a"]
        (note,) = reader.notes
        assert "the sheet 'two' is read, and not 'three'" in note


@pytest.mark.parametrize("sheet", ["three", 3])
def test_excel_rows_are_those_of_the_sheet_that_is_named(tmp_path, sheet):
    path = write(tmp_path / "a.xlsx", empty=[], two=[["text"], ["a"]], three=[["text"], ["b"]])
    with open_rows(path, dialect=Dialect(sheet=sheet)) as reader:
        assert [row["text"] for _, row in reader] == ["b"]
        assert reader.notes == []


@pytest.mark.parametrize(
    ("sheet", "message"),
    [("tow", "a.xlsx: it has no sheet 'tow'; did you mean 'two'"), (3, "a.xlsx: it has no sheet 3; it has 2")],
)
def test_excel_rows_refuse_a_sheet_that_is_not_there(tmp_path, sheet, message):
    path = write(tmp_path / "a.xlsx", one=[["text"], ["a"]], two=[["text"], ["b"]])
    with pytest.raises(UserError, match=message):
        open_rows(path, dialect=Dialect(sheet=sheet))


def test_dialect_refuses_a_sheet_below_1():
    with pytest.raises(ParameterError, match="sheet: 0 given; it must be a name, or a number from 1"):
        Dialect(sheet=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"no workbook"), "no Excel file"),
        (lambda path: write(path, one=[]), "empty; its first row must name the columns"),
        (lambda path: write(path, one=[["a", "a"], [1, 2]]), "the column 'a' stands there twice"),
    ],
)
def test_excel_rows_refuse_what_is_no_table(tmp_path, make, message):
    make(tmp_path / "a.xlsx")

    def rows():
        with open_rows(str(tmp_path / "a.xlsx")) as reader:
            return list(reader)

    with pytest.raises(UserError, match=message):
        rows()
