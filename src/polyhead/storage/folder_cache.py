"""Caches of folders: entries of several files with their digests and a description. Knows nothing about content."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polyhead.errors import UserError
from polyhead.storage.cache import Cache, Description, mark_used, read_description
from polyhead.storage.digests import LISTING, folder_is_intact, note_folder
from polyhead.storage.output import write_atomically
from polyhead.storage.partials import remove
from polyhead.storage.turns import turn

log = logging.getLogger(__name__)

DONE = "entry.json"
"""The file of an entry that says what it was made of. It is written last but for the digests."""


@dataclass(frozen=True)
class FolderCache(Cache):
    """A cache whose entries are folders of files, named by a digest of what they were made from."""

    stamp: ClassVar[str] = f"*/{DONE}"

    def find(self, key: str) -> Path | None:
        """Return an entry whose files are as they were written; None, with a line in the log, if they are not.

        An entry without digests, of an older version, is as good as none.
        """
        self.remove_abandoned()
        entry = self.path / key
        if not (entry / LISTING).exists():
            return None
        if not folder_is_intact(entry):
            log.warning("%s: %s is damaged; making it again", self.name, entry)
            return None
        mark_used(entry / DONE)
        return entry

    def find_or_make(self, key: str, write: Callable[[Path], Description]) -> Path:
        """Return an entry; if it is missing or damaged, one process on this host makes it, and the others wait.

        Args:
            key: of the entry.
            write: fills an empty folder with files, and returns what they were made of.

        Raises:
            OSError: it cannot be written.
            UserError: it cannot take its name.
        """
        entry = self.find(key)
        if entry is None:
            with turn(self.path / f"{key}.lock", self.name):
                entry = self._intact(key) or self.make(key, write)  # another process may have made it meanwhile
        return entry

    def _intact(self, key: str) -> Path | None:
        entry = self.path / key
        return entry if (entry / LISTING).exists() and folder_is_intact(entry) else None

    def make(self, key: str, write: Callable[[Path], Description]) -> Path:
        """Write an entry whole or not at all; if another process was faster, its entry stays.

        Args:
            key: of the entry; one that is missing or damaged.
            write: fills an empty folder with files, and returns what they were made of.

        Raises:
            OSError: it cannot be written.
            UserError: it cannot take its name.
        """
        entry = self.path / key
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with write_atomically(entry, folder=True) as partial:
                description = write(partial)
                (partial / DONE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
                note_folder(partial)
                if not folder_is_intact(entry):  # missing, or damaged
                    remove(entry)
        except UserError:  # of the content, or because the faster process has the name
            if not folder_is_intact(entry):
                raise
        return entry

    def describe(self, entry: Path) -> Description:
        """Return what an entry was made of; nothing where that is not known."""
        return read_description(entry / DONE)
