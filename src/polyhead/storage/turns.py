"""Turns: processes of a host that would make the same thing take turns, so that one makes it and the others find it."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def turn(path: Path, what: str) -> Iterator[None]:
    """Wait until no other process is inside a block of the same path.

    The system ends the turn of a process that is killed. Where nothing can be written, or the file system knows no
    locks, nobody waits.

    Args:
        path: of a file that is locked meanwhile; it is removed at the end.
        what: is made inside, for a person who waits.
    """
    descriptor = _lock(path, what)
    try:
        yield
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _lock(path: Path, what: str) -> int | None:
    while True:
        try:
            with suppress(FileExistsError):
                path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError:
            return None
        try:
            _wait(descriptor, what)
        except OSError:
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # the one before removed it: it locks nothing any more


def _wait(descriptor: int, what: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("%s: another process makes them; waiting for it", what)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
