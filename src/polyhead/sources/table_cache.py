"""The cache of tables: files of sentences as they were read, in Arrow. Knows nothing about columns or labels."""

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from polyhead.storage.cache import Description
from polyhead.storage.folder_cache import FolderCache

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)

_OLD_STAMP = "**/dataset_info.json"  # of tables of version 0.1.0, and of data sets of the hub
_readers: dict[Path, int] = {}  # descriptors that lock the folders of tables that this process reads


@dataclass(frozen=True)
class TableCache(FolderCache):
    """Tables on disk, each entry a folder named by the file that it was read from.

    Tables are opened again for each pass over their sentences, so none is evicted while another process reads any.
    """

    name: ClassVar[str] = "tables"
    in_use: set[Path] = field(default_factory=set, init=False, compare=False)

    def get(self, key: str, build: Callable[[Path], "Dataset"], description: Description) -> "Dataset":
        """Return a table, memory-mapped; if it is missing or damaged, build it first.

        Args:
            key: changes whenever the content of the table would.
            build: makes the table, with its files below the folder given.
            description: of the content, for a person.

        Raises:
            OSError: it cannot be written.
        """

        def write(folder: Path) -> Description:
            files = [Path(file["filename"]) for file in build(folder).cache_files]
            for number, file in enumerate(files):
                file.rename(folder / f"rows-{number:05}.arrow")
            for rest in folder.iterdir():
                if rest.suffix != ".arrow":
                    shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
            return description

        self.keep([self.path / key])
        return _open(self.find_or_make(key, write))

    def used(self) -> dict[Path, float]:
        """Return when each entry was last used, those of an older layout included."""
        old = {}
        for stamp in self.path.glob(_OLD_STAMP):
            with suppress(FileNotFoundError):
                old[stamp.parent] = stamp.stat().st_mtime
        return dict(sorted((super().used() | old).items(), key=lambda item: item[1]))

    def keep(self, entries: Iterable[Path]) -> None:
        """Keep entries, and tell other processes, until this one ends, that it reads tables."""
        self.in_use.update(entries)
        if self.path in _readers:
            return
        with suppress(OSError):  # a read-only file system, or one without locks
            self.path.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            _readers[self.path] = os.open(self.path, os.O_RDONLY)
            fcntl.flock(_readers[self.path], fcntl.LOCK_SH)

    def make_room(self) -> None:
        """Remove the tables used longest ago until the limit holds, but for those in use."""
        locked = _readers.get(self.path)
        if locked is None:
            return
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.evict(0, keep=self.in_use)
        except OSError:
            log.debug("%s: other processes read tables; none is removed", self.path)
        finally:
            with suppress(OSError):
                fcntl.flock(locked, fcntl.LOCK_SH)


def _open(entry: Path) -> "Dataset":
    """Open the files of an entry; no lock and no other file is written, as where the file system is read-only."""
    import datasets

    files = sorted(path for path in entry.iterdir() if path.suffix == ".arrow")
    parts = [datasets.Dataset.from_file(str(file)) for file in files]
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)
