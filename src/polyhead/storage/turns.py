"""Turns: processes of a host that would make the same thing take turns, so that one makes it and the others find it."""

import fcntl
import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polyhead.errors import one_line

log = logging.getLogger(__name__)

FIRST_REMINDER, REMINDER = 60.0, 300.0
"""Seconds until a process that waits says for whom, and between that and each further time."""
_LONGEST = 200  # bytes of what a process says of itself


@contextmanager
def turn(path: Path, what: str) -> Iterator[None]:
    """Wait until no other process is inside a block of the same path.

    The system ends the turn of a process that is killed. One that hangs keeps its turn: those that wait say for which
    process after a minute, and every five minutes, and nothing else ends their waiting, for how long things may take is
    not known. Where nothing can be written, or the file system knows no locks, nobody waits.

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
            _sign(descriptor)
            return descriptor
        os.close(descriptor)  # the one before removed it: it locks nothing any more


def _wait(descriptor: int, what: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("%s: another process makes them; waiting for it", what)
        with _reminders(descriptor, what):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def _reminders(descriptor: int, what: str) -> Iterator[None]:
    """Log from time to time who has the turn, for as long as the block lasts."""
    over = threading.Event()

    def remind() -> None:
        pause = FIRST_REMINDER
        while not over.wait(pause):
            log.warning(
                "%s: still waiting for %s; if that hangs, end it, and they are made here", what, _maker(descriptor)
            )
            pause = REMINDER

    reminding = threading.Thread(target=remind, daemon=True)
    reminding.start()
    try:
        yield
    finally:
        over.set()
        reminding.join()


def _sign(descriptor: int) -> None:
    """Write into the file whose turn it is; that is for people, and the turn does not depend on it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} of {platform.node()}, since {since}".encode(), 0)


def _maker(descriptor: int) -> str:
    """Return which process has the turn, as it says itself."""
    with suppress(OSError):
        if said := one_line(os.pread(descriptor, _LONGEST, 0).decode(errors="replace")):
            return said
    return "another process"


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
