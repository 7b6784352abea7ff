"""Stores: entries on disk that are made once and shared; those unused for longest make room for others."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polyhead.errors import UserError
from polyhead.storage.output import remove

_ABANDONED = 86_400  # seconds after which an entry that was never finished counts as left behind by a killed process


@dataclass(frozen=True)
class Cache:
    """A folder of entries, each a file or a folder. Several processes may share it.

    An entry is used by reading it; who reads it touches its mark. What is being written is called ``*.partial``.

    Args:
        folder: where the entries lie; made when first needed.
        limit_gb: most gigabytes (10^9 bytes) of all entries together; the ones unused for longest go first.

    Raises:
        UserError: a limit that is not above 0.
    """

    folder: str
    limit_gb: float

    name: ClassVar[str]
    """Of the store in the configuration and in messages."""

    stamp: ClassVar[str]
    """Pattern of the files, one an entry, whose time says when the entry was used."""

    def __post_init__(self) -> None:
        if self.limit_gb <= 0:
            raise UserError(f"{self.name}.limit_gb: {self.limit_gb} given; it must be above 0")

    @property
    def path(self) -> Path:
        """The folder, its ``~`` spelt out."""
        return Path(self.folder).expanduser()

    def entry_of(self, stamp: Path) -> Path:
        """Return the entry that a mark belongs to: the folder it lies in."""
        return stamp.parent

    def entries(self) -> list[Path]:
        """List the entries, those unused for longest first."""
        return list(self.used())

    def used(self) -> dict[Path, float]:
        """Return when each entry was last used, in seconds since the epoch, the longest ago first."""
        found = []
        for stamp in self.path.glob(self.stamp):
            with suppress(FileNotFoundError):  # another process made room meanwhile
                found.append((stamp.stat().st_mtime, self.entry_of(stamp)))
        return {entry: moment for moment, entry in sorted(found)}

    def size(self) -> int:
        """Return the bytes of all entries together."""
        return sum(map(size_of, self.entries()))

    def clear(self) -> int:
        """Remove all entries and return the bytes of what went; who has one mapped keeps it until done."""
        size = self.size()
        for entry in self.entries():
            remove(entry)
        return size - self.size()

    def evict(self, size: int, keep: Path | None = None) -> None:
        """Remove what was left behind, and entries until ``size`` more bytes fit below the limit; never ``spare``."""
        for path in self.path.glob("*.partial"):
            with suppress(FileNotFoundError):  # finished meanwhile
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    remove(path)
        sizes = {entry: size_of(entry) for entry in self.entries()}
        for entry in list(sizes):
            if sum(sizes.values()) + size > self.limit_gb * 1e9 and entry != keep:
                remove(entry)
                del sizes[entry]


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 of what is there no longer."""
    try:
        return sum(map(size_of, path.iterdir())) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0
