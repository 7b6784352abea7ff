"""Input: a file, a pipe or standard input, read through its compression. Knows nothing about the content."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from polyhead.errors import UserError, one_line

STANDARD_INPUT = "-"
COMPRESSED = ".gz"


class InputFile:
    """Bytes to be read; a file whose name ends in ``.gz`` is decompressed on the way.

    Args:
        name: of a file or a pipe, or ``-`` for standard input.

    Raises:
        UserError: it is not there, or cannot be opened.
    """

    def __init__(self, name: str) -> None:
        piped = name == STANDARD_INPUT
        if piped and sys.stdin is None:
            raise UserError("input: standard input is closed; give a file, or send texts to it")
        if not piped and (Path(name).is_dir() or not Path(name).exists()):
            raise UserError(f"input: no file {name!r}; give a file, or - for standard input")
        self.name = "standard input" if piped else name
        self.regular = not piped and Path(name).is_file()  # a pipe has no size, and no position
        with self.reading():
            self.raw: IO[bytes] = sys.stdin.buffer if piped else Path(name).open("rb")  # noqa: SIM115
        compressed = name.lower().endswith(COMPRESSED)
        self.stream = cast(IO[bytes], gzip.GzipFile(fileobj=self.raw)) if compressed else self.raw

    def close(self) -> None:
        """Close it."""
        self.stream.close()
        self.raw.close()

    @property
    def size(self) -> int | None:
        """Bytes to read in all, before decompression; None for a pipe."""
        return os.fstat(self.raw.fileno()).st_size if self.regular else None

    @property
    def position(self) -> int | None:
        """Bytes read so far, before decompression; None for a pipe."""
        return self.raw.tell() if self.regular else None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Guard whatever opens the file or reads from it.

        Raises:
            UserError: the system refuses, or the compression is damaged.
        """
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:  # gzip raises EOFError for a file that was cut off
            reason = getattr(error, "strerror", None) or one_line(error)
            raise UserError(f"{self.name}: cannot be read ({reason}); give a file that can") from error
