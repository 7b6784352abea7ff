"""Caches: entries on disk that are made once and shared; the least recently used make room for new ones."""

import json
import logging
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polyhead.errors import check_parameters
from polyhead.storage.partials import is_abandoned, partials, remove, remove_abandoned

log = logging.getLogger(__name__)

Description = Mapping[str, str]
"""What an entry was made of, for a person: ``encoder``, ``data`` and ``run``, as far as they are known."""


@dataclass(frozen=True)
class Cache:
    """A folder of entries, each a file or a folder. Several processes may share it.

    A process that reads an entry touches its stamp. Entries that are being written are partials, see
    :mod:`polyhead.storage.partials`; they count towards the limit, and those that a killed process left are removed.

    Args:
        folder: where the entries lie; made when first needed.
        limit_gb: gigabytes (10^9 bytes) of all entries together, at most; the least recently used go first.

    Raises:
        ParameterError: no folder, or a limit that is not above 0.
    """

    folder: str
    limit_gb: float = 20.0

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

    def partials(self) -> dict[Path, bool]:
        """Return the entries that are being written, or were when their process was killed, and whether it was."""
        return {path: is_abandoned(path) for path in partials(self.path)}

    def describe(self, entry: Path) -> Description:
        """Return what an entry was made of; nothing where that is not known."""
        return {}

    def remove(self, entry: Path) -> None:
        """Remove an entry, or a part of it that is left."""
        remove(entry)

    def size(self) -> int:
        """Return the bytes of all entries together, the partial ones included."""
        return sum(map(size_of, [*self.entries(), *partials(self.path)]))

    def clear(self) -> int:
        """Remove all entries, but for those being written, and return their bytes.

        A process that has an entry mapped keeps it until it ends.
        """
        size = self.size()
        for entry in self.entries():
            self.remove(entry)
        self.remove_abandoned()
        return size - self.size()

    def evict(self, size: int, keep: Collection[Path] = ()) -> None:
        """Remove abandoned partial entries, then entries until ``size`` more bytes fit below the limit.

        Args:
            size: bytes that are about to be written.
            keep: entries that stay.
        """
        self.remove_abandoned()
        sizes = {entry: size_of(entry) for entry in self.entries()}
        excess = sum(sizes.values()) + sum(map(size_of, partials(self.path))) + size - self.limit_gb * 1e9
        for entry, entry_size in sizes.items():
            if excess > 0 and entry not in keep:
                self.remove(entry)
                excess -= entry_size

    def remove_abandoned(self) -> None:
        """Remove what killed processes left."""
        remove_abandoned(self.path)


def read_description(path: Path) -> Description:
    """Read what an entry was made of; nothing where that is not known."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = content if isinstance(content, dict) else {}
    return {name: text for name, text in known.items() if isinstance(text, str)}


def mark_used(stamp: Path) -> None:
    """Set the time of a stamp to now, where the file system lets one."""
    try:
        os.utime(stamp)
    except OSError:
        log.debug("%s cannot be stamped", stamp)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 if it is no longer there."""
    try:
        return sum(map(size_of, path.iterdir())) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0
