"""Embedding files: embeddings written as they come, as ``.npy`` or Parquet. Knows nothing about how they are made.

Shapes: N rows of a chunk, H hidden units.
"""

from abc import abstractmethod
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
        """Write a chunk (N, H) behind what was written."""


class NpyFile(EmbeddingFile):
    """NumPy's own format: ``numpy.load(path, mmap_mode="r")`` reads it without loading it."""

    def __init__(self, path: Path, width: int) -> None:
        super().__init__(path)
        self.width = width
        self.rows = 0
        with self.writing():
            self.file = self.partial.open("wb")
            self._write_header()

    def append(self, chunk: Chunk) -> None:
        """Write a chunk (N, H) behind what was written."""
        with self.writing():
            self.file.write(np.ascontiguousarray(chunk, dtype="<f4").data)
        self.rows += len(chunk)

    def close(self) -> None:
        """Write the number of rows, known only now, into the header: its room was left at the start."""
        with self.file:  # closed also where the disk has no room for what is still in the buffer
            self.file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
        np.lib.format.write_array_header_1_0(self.file, header)


class ParquetFile(EmbeddingFile):
    """One column ``embedding`` of fixed-size lists, a row group a chunk."""

    def __init__(self, path: Path, width: int) -> None:
        super().__init__(path)
        with require_extra("parquet", "output: a .parquet file"):
            import pyarrow
            from pyarrow import parquet
        self.arrow: Any = pyarrow
        self.type = pyarrow.list_(pyarrow.float32(), width)
        with self.writing():
            self.writer = parquet.ParquetWriter(self.partial, pyarrow.schema([("embedding", self.type)]))

    def append(self, chunk: Chunk) -> None:
        """Write a chunk (N, H) as a row group."""
        column = self.arrow.FixedSizeListArray.from_arrays(chunk.reshape(-1), type=self.type)
        with self.writing():
            self.writer.write_table(self.arrow.table({"embedding": column}))

    def close(self) -> None:
        """Write the footer."""
        self.writer.close()


def open_embedding_file(path: Path, width: int, overwrite: bool) -> EmbeddingFile:
    """Open a file for embeddings of ``width`` H, by the ending of its name.

    Raises:
        UserError: an unknown ending, a file that is there already, or a folder that is not there or not writable.
    """
    kinds = {".npy": NpyFile, ".parquet": ParquetFile}
    check_output(path, kinds, overwrite)
    return kinds[path.suffix](path, width)
