"""Files and caches on disk: written whole or not at all, evicted, memory-mapped;
the one reader and writer of tables.
"""

from polyhead.storage.cache import Cache
from polyhead.storage.dialect import Dialect
from polyhead.storage.embedding_writers import EmbeddingFile, open_embedding_file
from polyhead.storage.input import InputFile
from polyhead.storage.markdown import markdown_table
from polyhead.storage.memmap import map_file, release_pages
from polyhead.storage.output import OutputFile, write_atomically, write_errors
from polyhead.storage.row_readers import format_of, open_rows
from polyhead.storage.row_writers import RowFile, open_row_file
from polyhead.storage.rows import BadRow, Row, RowReader

__all__ = [
    "BadRow",
    "Cache",
    "Dialect",
    "EmbeddingFile",
    "InputFile",
    "OutputFile",
    "Row",
    "RowFile",
    "RowReader",
    "format_of",
    "map_file",
    "markdown_table",
    "open_embedding_file",
    "open_row_file",
    "open_rows",
    "release_pages",
    "write_atomically",
    "write_errors",
]
