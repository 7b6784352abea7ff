"""Reading notes: what a person should know of how a table was read, on standard error."""

import sys

from polyhead.storage.rows import RowReader


def tell_reading(reader: RowReader) -> None:
    """Print how a table was read where that is not obvious, once its rows were read."""
    for note in reader.notes:
        print(note, file=sys.stderr)
    if reader.joined:
        print(
            f"{reader.name}: {reader.joined:,} rows have a cell with line ends and separators, as if it were several "
            "rows; where quotes are plain characters, set quote=null",
            file=sys.stderr,
        )
