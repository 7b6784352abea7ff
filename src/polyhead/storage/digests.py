"""Digests: the sha256 of files, kept in a listing beside them, by which damage is found. Knows nothing about content.

The listing is called ``SHA256SUMS`` and has the form that ``sha256sum --check`` reads. A file without a line there, of
an older version or brought by a person, counts as intact.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.storage.output import write_atomically, write_errors

log = logging.getLogger(__name__)

LISTING = "SHA256SUMS"

_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")

Lines = list[tuple[str, str]]
"""Digest and name of files; a file that is being replaced has two lines, the old one and the new."""


@contextmanager
def write_with_digest(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all, have it on the disk, and note its digest; see :func:`write_atomically`.

    Killed at any moment it leaves the old file or the new one, and a listing that knows the one that is there.

    Yields:
        The name to write under.

    Raises:
        UserError: the system refused: the disk is full, for example.
    """
    with write_errors(path):
        with write_atomically(path, sync=True) as partial:
            yield partial
            digest = file_digest(partial)
            _write(path.parent, [*_read_to_replace(path.parent), (digest, path.name)])
        _set_line(path, digest)


def note_digest(path: Path) -> None:
    """Note the digest of a file as it is now."""
    _set_line(path, file_digest(path))


def forget_digest(path: Path) -> None:
    """Drop the line of a file, which is about to be removed."""
    lines = _read_to_replace(path.parent)
    if any(name == path.name for _, name in lines):
        _write(path.parent, [line for line in lines if line[1] != path.name])


def is_intact(path: Path) -> bool:
    """Return whether a file is as it was written, as far as that is known; read once per process as long as it stays.

    A listing that is damaged itself vouches for nothing.
    """
    try:
        digests = [digest for digest, name in _read(path.parent) if name == path.name]
        return not digests or file_digest_once(path) in digests
    except ValueError:
        return False
    except OSError:  # whoever reads the file says more about that
        return True


def has_digest(path: Path) -> bool:
    """Return whether the listing beside a file has a line for it.

    Raises:
        ValueError: the listing is damaged.
    """
    return any(name == path.name for _, name in _read(path.parent))


def check_intact(path: Path) -> None:
    """Refuse a file that is not as it was written.

    Raises:
        UserError: it is damaged, or was changed.
    """
    if not is_intact(path):
        raise UserError(
            f"{str(path)!r} is damaged, or was changed since it was written: its sha256 is not that in {LISTING} "
            "beside it; copy it again from where it is whole, or remove its line there to take it as it is"
        )


def warn_if_changed(path: Path) -> None:
    """Log a line if a file that people may edit is not as it was written."""
    if not is_intact(path):
        log.warning("%s was changed since the run wrote it, or is damaged; taken as it is", path)


def note_folder(folder: Path) -> None:
    """Note the digests of all files of a folder without folders in it."""
    names = sorted(path.name for path in folder.iterdir() if path.name != LISTING)
    text = "".join(f"{file_digest(folder / name)}  {name}\n" for name in names)
    (folder / LISTING).write_text(text, encoding="utf-8")


def folder_is_intact(folder: Path) -> bool:
    """Return whether all files of a folder are there, as :func:`note_folder` found them, and no others."""
    try:
        lines = _read(folder)
        names = {path.name for path in folder.iterdir()} - {LISTING}
        return names == {name for _, name in lines} and all(file_digest_once(folder / name) == it for it, name in lines)
    except (OSError, ValueError):
        return False


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(content: Mapping[str, Any]) -> str:
    """Return the sha256 of JSON content, whatever its layout and the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_digest_once(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal; read once per process as long as the file stays.

    Raises:
        OSError: it cannot be read.
    """
    state = path.stat()
    return _known(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=4096)
def _known(path: Path, _: tuple[int, ...]) -> str:
    return file_digest(path)


def _set_line(path: Path, digest: str) -> None:
    others = [line for line in _read_to_replace(path.parent) if line[1] != path.name]
    _write(path.parent, [*others, (digest, path.name)])


def _read(folder: Path) -> Lines:
    """Return the lines of a folder's listing; none without one.

    Raises:
        ValueError: the listing is damaged.
    """
    try:
        text = (folder / LISTING).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    if not text or not all(found):
        raise ValueError(f"{folder / LISTING} is damaged")
    return [(match[1], match[2]) for match in found if match]


def _read_to_replace(folder: Path) -> Lines:
    """Return the lines that a new listing keeps; a damaged one vouches for nothing, and is not carried on."""
    try:
        return _read(folder)
    except ValueError:
        log.warning("%s is damaged; written anew", folder / LISTING)
        return []


def _write(folder: Path, lines: Lines) -> None:
    listing = folder / LISTING
    if not lines:
        listing.unlink(missing_ok=True)
        return
    with write_errors(listing), write_atomically(listing, sync=True) as partial:
        partial.write_text("".join(f"{digest}  {name}\n" for digest, name in sorted(lines, key=_by_name)))


def _by_name(line: tuple[str, str]) -> str:
    return line[1]
