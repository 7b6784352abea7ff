"""Row readers: the one way to open a table, whatever its format. Knows nothing about the meaning of the columns."""

from collections.abc import Sequence
from pathlib import Path

from polyhead.errors import ParameterError, UserError, did_you_mean
from polyhead.storage.arrow_readers import ArrowRows, ParquetRows
from polyhead.storage.csv_reader import CsvRows, TsvRows
from polyhead.storage.dialect import AUTO, Dialect
from polyhead.storage.excel_reader import ExcelRows
from polyhead.storage.input import COMPRESSED, STANDARD_INPUT
from polyhead.storage.rows import RowReader
from polyhead.storage.text_readers import JsonLines, JsonRows, TextLines

READERS: dict[str, type[RowReader]] = {
    "txt": TextLines,
    "csv": CsvRows,
    "tsv": TsvRows,
    "jsonl": JsonLines,
    "json": JsonRows,
    "parquet": ParquetRows,
    "arrow": ArrowRows,
    "xlsx": ExcelRows,
}
BINARY = ("parquet", "arrow", "xlsx")
"""Those that are compressed already."""


def format_of(name: str, formats: Sequence[str] = tuple(READERS)) -> str:
    """Return the format of a file by the ending of its name, ``.gz`` aside.

    Args:
        name: of the file.
        formats: those that may be.

    Raises:
        UserError: it has another ending.
    """
    compressed = name.lower().endswith(COMPRESSED)
    ending = Path(name.lower().removesuffix(COMPRESSED)).suffix.removeprefix(".")
    if ending not in formats or (compressed and ending in BINARY):
        valid = ", ".join(f".{known}" for known in formats)
        raise UserError(f"{name}: unknown kind of file; valid: {valid}; those of text also with .gz")
    return ending


def check_format(input_format: str) -> None:
    """Check the name of a format, ``auto`` among them.

    Raises:
        ParameterError: there is none of the name.
    """
    if input_format not in (AUTO, *READERS):
        raise ParameterError(f"input_format: unknown {input_format!r}; {did_you_mean(input_format, (AUTO, *READERS))}")


def open_rows(name: str, input_format: str = AUTO, dialect: Dialect | None = None) -> RowReader:
    """Open a table.

    Args:
        name: of a file, or ``-`` for standard input.
        input_format: one of ``READERS``; ``auto`` goes by the ending of the name, and reads lines of text from
            standard input.
        dialect: how its text is written; None: in UTF-8, with double quotes.

    Raises:
        UserError: an unknown format or ending, no such file, or one that is not of its format.
    """
    check_format(input_format)
    if input_format == AUTO:
        input_format = _guess(name)
    return READERS[input_format](name, dialect or Dialect())


def _guess(name: str) -> str:
    if name == STANDARD_INPUT:
        return "txt"
    try:
        return format_of(name)
    except UserError as error:
        raise UserError(f"{error}, or set input_format to the format of its content") from error
