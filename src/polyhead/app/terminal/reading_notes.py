"""Reading notes: what a person should know of how a table was read, on standard error."""

import sys

from polyhead.storage.rows import RowReader


def reading_notes(reader: RowReader) -> list[str]:
    """Return how a table was read where that is not obvious, once its rows were read; a line each."""
    if not reader.joined:
        return list(reader.notes)
    return [
        *reader.notes,
        f"{reader.name}: {reader.joined:,} rows have a cell with line ends and separators, as if it were several "
        "rows; where quotes are plain characters, set quote=null",
    ]


def tell_reading(reader: RowReader) -> None:
    """Print how a table was read where that is not obvious, once its rows were read."""
    for note in reading_notes(reader):
        print(note, file=sys.stderr)
