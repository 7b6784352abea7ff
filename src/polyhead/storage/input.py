"""Input: a file, a pipe or standard input, read through its compression. Knows nothing about what is in it."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from polyhead.errors import UserError

STANDARD_INPUT = "-"
COMPRESSED = ".gz"


class InputFile:
    """Bytes to be read; what ends in ``.gz`` is unpacked on the way.

    Args:
        name: of a file or a pipe, or ``-`` for standard input.

    Raises:
        UserError: it is not there, or cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        if name != STANDARD_INPUT and (Path(name).is_dir() or not Path(name).exists()):
            raise UserError(f"input: no file {name!r}; give a file, or - for standard input")
        if name == STANDARD_INPUT and sys.stdin is None:
            raise UserError("input: standard input is closed; give a file, or send texts to it")
        self.regular = name != STANDARD_INPUT and Path(name).is_file()  # else a pipe: no size, and no place in it
        with self.reading():
            self.raw: IO[bytes] = sys.stdin.buffer if name == STANDARD_INPUT else Path(name).open("rb")  # noqa: SIM115
        packed = name.lower().endswith(COMPRESSED)
        self.stream = cast(IO[bytes], gzip.GzipFile(fileobj=self.raw)) if packed else self.raw

    def close(self) -> None:
        """Close it."""
        self.stream.close()
        self.raw.close()

    @property
    def size(self) -> int | None:
        """Bytes there are to read, before they are unpacked; None where nobody knows."""
        return os.fstat(self.raw.fileno()).st_size if self.regular else None

    @property
    def position(self) -> int | None:
        """Bytes read so far, before they were unpacked."""
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
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise UserError(f"input: {self.name!r} cannot be read ({reason}); give a file that can") from error
