"""Records: the rows of a CSV, TSV or JSONL file, one by one, as a person counts them. Knows nothing about tables.

What cannot be a labelled sentence is refused with its file and row: the header of a CSV file is row 1.
"""

import csv
import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from polyhead.errors import UserError, did_you_mean
from polyhead.tasks import label_text

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
ROW = "_row"
"""The column that holds the row in its file."""

_SHOWN = 20  # problems of a file that are told one by one
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Layout:
    """How the files are laid out.

    Args:
        text: column of the sentences.
        columns: task -> column of its labels.
        encoding: of CSV, TSV and JSONL files.
        quote: character round cells that hold separators or line ends; None: there is none, quotes are plain text.
    """

    text: str
    columns: Mapping[str, str]
    encoding: str
    quote: str | None


def kind(path: Path) -> str:
    """Return the format of a file by its name: one of ``FORMATS``.

    Raises:
        UserError: it has another ending.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if suffix not in FORMATS or (suffix == ".parquet" and suffixes[-1] == ".gz"):
        raise UserError(f"{path}: unknown kind of file; valid: {', '.join(FORMATS)}, the first three also with .gz")
    return suffix


def header(path: Path, layout: Layout) -> list[str]:
    """Return the first row of a CSV or TSV file.

    Raises:
        UserError: there is none, or it is in another encoding.
    """
    with _open(path, layout) as stream:
        cells = next(_csv_records(path, stream, layout), (0, []))[1]
    if not cells:
        raise UserError(f"{path}: empty; its first row must name the columns")
    if any(map(_undecoded, cells)):
        raise UserError(f"{path} row 1: the header is {_undecodable(layout)}")
    return cells


def _open(path: Path, layout: Layout) -> TextIO:
    encoding = "utf-8-sig" if layout.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else layout.encoding
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    # What cannot be decoded comes through as surrogates, so that its row can be named.
    try:
        return opener(path, "rt", encoding=encoding, errors="surrogateescape", newline="")  # type: ignore[no-any-return]
    except LookupError as error:
        raise UserError(f"data.encoding: unknown encoding {layout.encoding!r}; utf-8 and latin-1 are common") from error


def records(path: Path, layout: Layout, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV, TSV or JSONL file.

    Raises:
        UserError: rows that cannot be sentences, one a line, once the whole file was seen.
    """
    problems: list[str] = []
    count = read = 0
    with _open(path, layout) as stream:
        rows = _json_rows(stream, layout) if kind(path) == ".jsonl" else _csv_rows(path, stream, layout)
        for number, cells in rows:
            problem = cells if isinstance(cells, str) else _fault(cells, columns, layout)
            if problem:
                count += 1
                problems += [f"{path} row {number}: {problem}"] * (count <= _SHOWN)
            elif not count and isinstance(cells, dict):
                read += 1
                yield {ROW: number} | {ours: _cell(cells.get(column)) for column, ours in columns.items()}
    if count > _SHOWN:
        problems.append(f"{path}: {count - _SHOWN} more rows that cannot be read")
    if problems or not read:
        raise UserError("\n".join(problems) or f"{path}: no row with a sentence")


def _cell(value: object) -> str | None:
    return label_text(value) if isinstance(value, str | int | float) else None


def _fault(cells: Mapping[str, Any], columns: Mapping[str, str], layout: Layout) -> str | None:
    """Say why a row cannot be a sentence; None if it can."""
    for column in columns:
        value = cells.get(column)
        if column == layout.text and value is not None and not isinstance(value, str):
            return f"{column} is {value!r} and no text"
        if not isinstance(value, _SCALARS) or (isinstance(value, float) and not value.is_integer()):
            return f"{column} is {value!r}; a label must be text or a whole number"
        if isinstance(value, str) and _undecoded(value):
            return f"{column} is {_undecodable(layout)}"
    return None


def _undecoded(text: str) -> bool:
    """Tell whether bytes came through that are nothing in the file's encoding."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _undecodable(layout: Layout) -> str:
    return f"not {layout.encoding}; set data.encoding, or save the file as UTF-8"


def _csv_rows(path: Path, stream: TextIO, layout: Layout) -> Iterator[tuple[int, dict[str, str] | str]]:
    records = _csv_records(path, stream, layout)
    _, header = next(records)
    for number, record in records:
        if record and len(record) != len(header):
            yield number, f"{len(record)} cells where the header has {len(header)}"
        elif record:  # a blank line is no row; the rows after it keep their numbers
            yield number, dict(zip(header, record, strict=True))


def _csv_records(path: Path, stream: TextIO, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    with suppress(OverflowError):  # where a C long has 32 bits
        csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if kind(path) == ".tsv" else ","
    number = 1
    try:
        reader = csv.reader(stream, delimiter=delimiter, quotechar=layout.quote, strict=True)
        for number, record in enumerate(reader, start=1):
            yield number, record
    except UnicodeError as error:
        raise UserError(f"{path} after row {number}: {error}; it is {_undecodable(layout)}") from error
    except csv.Error as error:
        raise UserError(
            f"{path} after row {number}: {error}; where quotes are plain characters set data.quote=null"
        ) from error


def _json_rows(stream: TextIO, layout: Layout) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(stream, start=1):
        try:
            cells = json.loads(line, object_pairs_hook=_distinct) if line.strip() else None
        except (ValueError, RecursionError) as error:
            yield number, _undecodable(layout) if _undecoded(line) else f"no JSON ({error})"
            continue
        if isinstance(cells, dict):
            yield (
                number,
                cells if layout.text in cells else f"no key {layout.text!r}; {did_you_mean(layout.text, cells)}",
            )
        elif line.strip():
            yield number, "no JSON object with a key a column"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values; Python alone would drop all but the last of equal keys."""
    cells = dict(pairs)
    if len(cells) < len(pairs):
        raise ValueError("a key stands there twice")
    return cells
