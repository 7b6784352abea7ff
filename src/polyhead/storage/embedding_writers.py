"""Embedding files: embeddings written as they come, as ``.npy`` or Parquet. Knows nothing about how they are made.

Shapes: N rows of a chunk, H hidden units.
"""

from abc import abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import require_extra
from polyhead.storage.output import OutputFile, check_output

Chunk = NDArray[np.float32]


class EmbeddingFile(OutputFile):
    """A file that takes chunks of embeddings (N, H)."""

    @abstractmethod
    def append(self, chunk: Chunk) -> None:
        """Append a chunk (N, H)."""


class NpyFile(EmbeddingFile):
    """NumPy's own format: ``numpy.load(path, mmap_mode="r")`` reads it without loading it."""

    def __init__(self, path: Path, width: int) -> None:
        super().__init__(path)
        self.width = width
        self.rows = 0

    def open(self) -> None:
        """Open the file and leave room for the header."""
        self.file = self.partial.open("wb")
        self._write_header()

    def append(self, chunk: Chunk) -> None:
        """Append a chunk (N, H)."""
        with self.writing():
            self.file.write(np.ascontiguousarray(chunk, dtype="<f4").data)
        self.rows += len(chunk)

    def close(self) -> None:
        """Write the header again, now that the number of rows is known."""
        with self.file:  # closed also where the disk has no room for the rest of the buffer
            self.file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
        np.lib.format.write_array_header_1_0(self.file, header)


class ParquetFile(EmbeddingFile):
    """One column ``embedding`` of fixed-size lists, one row group per chunk."""

    def __init__(self, path: Path, width: int) -> None:
        super().__init__(path)
        with require_extra("parquet", "output: a .parquet file"):
            import pyarrow
            from pyarrow import parquet
        self.arrow: Any = pyarrow
        self.parquet: Any = parquet
        self.type = pyarrow.list_(pyarrow.float32(), width)

    def open(self) -> None:
        """Open the file."""
        self.writer = self.parquet.ParquetWriter(self.partial, self.arrow.schema([("embedding", self.type)]))

    def append(self, chunk: Chunk) -> None:
        """Append a chunk (N, H) as a row group."""
        column = self.arrow.FixedSizeListArray.from_arrays(chunk.reshape(-1), type=self.type)
        with self.writing():
            self.writer.write_table(self.arrow.table({"embedding": column}))

    def close(self) -> None:
        """Write the footer."""
        self.writer.close()


def open_embedding_file(path: Path, width: int, overwrite: bool) -> AbstractContextManager[EmbeddingFile]:
    """Open a file for embeddings; the ending of its name says the format.

    Args:
        path: ends in ``.npy`` or ``.parquet``.
        width: H.
        overwrite: replace a file of that name.

    Raises:
        UserError: an unknown ending, a file that is there already, or a folder that is not there or not writable.
    """
    formats: dict[str, type[NpyFile | ParquetFile]] = {".npy": NpyFile, ".parquet": ParquetFile}
    check_output(path, formats, overwrite)
    return formats[path.suffix](path, width).opened()
