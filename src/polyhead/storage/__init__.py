"""Files and caches on disk: written whole or not at all, evicted, memory-mapped;
the one reader and writer of tables.
"""

from polyhead.storage.cache import Cache
from polyhead.storage.embedding_writers import EmbeddingFile, open_embedding_file
from polyhead.storage.input import InputFile
from polyhead.storage.memmap import map_file, release_pages
from polyhead.storage.output import OutputFile
from polyhead.storage.row_readers import open_rows
from polyhead.storage.row_writers import RowFile, open_row_file
from polyhead.storage.rows import RowReader

__all__ = [
    "Cache",
    "EmbeddingFile",
    "InputFile",
    "OutputFile",
    "RowFile",
    "RowReader",
    "map_file",
    "open_embedding_file",
    "open_row_file",
    "open_rows",
    "release_pages",
]
