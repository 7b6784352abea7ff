"""Caches: entries on disk that are made once and shared; the least recently used make room for new ones."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polyhead.errors import check_parameters
from polyhead.storage.output import remove

_ABANDONED = 86_400  # seconds after which a partial entry counts as left behind by a killed process


@dataclass(frozen=True)
class Cache:
    """A folder of entries, each a file or a folder. Several processes may share it.

    A process that reads an entry touches its stamp. Entries that are being written are called ``*.partial``.

    Args:
        folder: where the entries lie; made when first needed.
        limit_gb: gigabytes (10^9 bytes) of all entries together, at most; the least recently used go first.

    Raises:
        ParameterError: no folder, or a limit that is not above 0.
    """

    folder: str
    limit_gb: float

    name: ClassVar[str]
    """Of the cache, for a person."""

    stamp: ClassVar[str]
    """Pattern of the files, one per entry, whose time says when the entry was last used."""

    def __post_init__(self) -> None:
        check_parameters(
            ("folder", self.folder, bool(self.folder.strip()), "the name of a folder"),
            ("limit_gb", self.limit_gb, self.limit_gb > 0, "above 0"),
        )

    @property
    def path(self) -> Path:
        """The folder, with ``~`` expanded."""
        return Path(self.folder).expanduser()

    def entry_of(self, stamp: Path) -> Path:
        """Return the entry that a stamp belongs to: the folder it lies in."""
        return stamp.parent

    def entries(self) -> list[Path]:
        """List the entries, the least recently used first."""
        return list(self.used())

    def used(self) -> dict[Path, float]:
        """Return when each entry was last used, in seconds since the epoch, the longest ago first."""
        found = []
        for stamp in self.path.glob(self.stamp):
            with suppress(FileNotFoundError):  # another process evicted it meanwhile
                found.append((stamp.stat().st_mtime, self.entry_of(stamp)))
        return {entry: moment for moment, entry in sorted(found)}

    def size(self) -> int:
        """Return the bytes of all entries together."""
        return sum(map(size_of, self.entries()))

    def clear(self) -> int:
        """Remove all entries and return their bytes; a process that has one mapped keeps it until it ends."""
        size = self.size()
        for entry in self.entries():
            remove(entry)
        return size - self.size()

    def evict(self, size: int, keep: Path | None = None) -> None:
        """Remove abandoned partial entries, then entries until ``size`` more bytes fit below the limit.

        Args:
            size: bytes that are about to be written.
            keep: an entry that stays.
        """
        self._remove_abandoned()
        sizes = {entry: size_of(entry) for entry in self.entries()}
        excess = sum(sizes.values()) + size - self.limit_gb * 1e9
        for entry, entry_size in sizes.items():
            if excess > 0 and entry != keep:
                remove(entry)
                excess -= entry_size

    def _remove_abandoned(self) -> None:
        for path in self.path.glob("*.partial"):
            with suppress(FileNotFoundError):  # finished meanwhile
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    remove(path)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 if it is no longer there."""
    try:
        return sum(map(size_of, path.iterdir())) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0
