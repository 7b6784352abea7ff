"""Partials: files and folders that are being written, and those that a killed process left. Knows no content.

A partial is called ``<name>.<8 hex digits>.partial`` and is locked by its writer, so that any process on the machine,
in whichever container, can tell a living writer from a dead one.
"""

import fcntl
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

_DAY = 86_400  # seconds after which a partial counts as left behind where the file system knows no locks


def claim_partial(path: Path, folder: bool) -> tuple[Path, int]:
    """Make an empty partial of ``path``, and lock it.

    Returns:
        Its name, and the descriptor that holds the lock until it is closed.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
        descriptor = _make(partial, folder)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if partial.exists():  # nobody took it for abandoned before it was locked
            return partial, descriptor
        os.close(descriptor)


def _make(partial: Path, folder: bool) -> int:
    if folder:
        partial.mkdir()
        return os.open(partial, os.O_RDONLY)
    return os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)


def partials(folder: Path, pattern: str = "*.partial") -> list[Path]:
    """List the partials in a folder."""
    return sorted(folder.glob(pattern))


def remove_abandoned(folder: Path, pattern: str = "*.partial") -> None:
    """Remove the partials in a folder that no living process writes; where nothing may be removed they stay."""
    for path in partials(folder, pattern):
        _with_lock(path, discard=True)


def is_abandoned(partial: Path) -> bool:
    """Return whether no living process writes a partial."""
    return _with_lock(partial, discard=False)


def _with_lock(partial: Path, discard: bool) -> bool:
    """Return whether a partial is abandoned, and maybe remove it, while its lock is held."""
    try:
        descriptor = os.open(partial, os.O_RDONLY)
    except OSError:  # complete by now, or not ours to read
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        abandoned = True
    except BlockingIOError:
        abandoned = False
    except OSError:
        abandoned = time.time() - os.fstat(descriptor).st_mtime > _DAY
    try:
        if abandoned and discard:
            with suppress(OSError):  # a read-only file system
                remove(partial)
    finally:
        os.close(descriptor)
    return abandoned


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is still there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
