"""Output: files and folders that are there whole or not at all. Knows nothing about their content."""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Self

from polyhead.errors import DISK_FULL, UserError
from polyhead.storage.partials import claim_partial, remove, remove_abandoned

_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that has none


@contextmanager
def write_atomically(path: Path, folder: bool = False, sync: bool = False) -> Iterator[Path]:
    """Write a file or a folder whole or not at all.

    The block writes under another name in the same folder. When the block ends, that name becomes ``path``, in one
    step and in place of a file that was there. When the block fails or is interrupted, the partial file or folder is
    removed, and ``path`` stays as it was. Each call has a name of its own, so several processes may write the same
    path: the last one to finish counts. What a killed process left of the same path is removed first.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scores.json"
    >>> with write_atomically(path) as partial:
    ...     _ = partial.write_text("[1, 2]")
    >>> path.read_text(), [entry.name for entry in path.parent.iterdir()]
    ('[1, 2]', ['scores.json'])

    Args:
        path: the final name; its folder must exist.
        folder: write a folder instead of a file.
        sync: have a file on the disk before it takes its name, so that a power failure does not leave it empty.

    Yields:
        The name to write under, ``<name>.<8 random hex digits>.partial``: an empty file, or an empty folder.

    Raises:
        OSError: nothing can be written beside ``path``.
        UserError: the complete file cannot take its name: ``path`` is a folder that is not empty, for example.
    """
    remove_abandoned(path.parent, f"{escape(path.name)}.*.partial")
    partial, descriptor = claim_partial(path, folder)
    try:
        yield partial
        with write_errors(path):
            if sync:
                os.fsync(descriptor)
            partial.replace(path)
            if sync:
                _sync_folder(path.parent)
    finally:
        remove(partial)
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_atomically(path: Path, text: str) -> None:
    """Write a new file whole or not at all; of several processes that try, one succeeds.

    Raises:
        FileExistsError: there is one.
        OSError: the system refuses.
    """
    partial, descriptor = claim_partial(path, folder=False)
    try:
        partial.write_text(text, encoding="utf-8")
        os.link(partial, path)  # unlike a replacement, this fails where there is one
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    finally:
        remove(partial)
        os.close(descriptor)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system inside the block into a user error that names ``path``.

    A closed pipe is left alone: its reader has seen enough.

    Raises:
        UserError: the system refused: the disk is full, for example.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> UserError:
    """Return the user error for a path that the system refuses to write."""
    reason = os.strerror(error.errno) if error.errno else error
    name = "standard output" if str(path) == "-" else repr(str(path))
    may_be_full = error.errno is None or error.errno in DISK_FULL  # a library's own error has no number
    advice = "make room, or choose another place" if may_be_full else "choose another place"
    return UserError(f"output: {name} cannot be written ({reason}); {advice}")


def share_mode(folder: Path) -> None:
    """Give the files in a new folder the permissions that it has, which are those that the user's umask asks for.

    Libraries write some files for their owner alone; whoever may enter the folder shall be able to read them.
    """
    mode = folder.stat().st_mode & 0o666  # the umask itself can only be read by changing it, for all threads
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


class OutputFile(ABC):
    """A file that is written piece by piece, by one of the formats; :meth:`opened` writes it atomically.

    Args:
        path: its final name.
    """

    partial: Path
    """The name to write under while the file is open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Open the file, and complete it at the end of the block; see :func:`write_atomically`.

        Raises:
            UserError: it cannot be written.
        """
        with ExitStack() as stack:
            with self.writing():
                self.partial = stack.enter_context(write_atomically(self.path))
                self.open()
            try:
                yield self
            except BaseException:
                with suppress(Exception):  # the first failure is the one to report
                    self.close()
                raise
            with self.writing():
                self.close()

    def writing(self) -> AbstractContextManager[None]:
        """Guard whatever opens the file or writes to it; see :func:`write_errors`."""
        return write_errors(self.path)

    @abstractmethod
    def open(self) -> None:
        """Open the partial file for writing."""

    @abstractmethod
    def close(self) -> None:
        """Complete the partial file."""


def check_output(path: Path, endings: Collection[str], overwrite: bool) -> None:
    """Refuse a name that cannot be written.

    Raises:
        UserError: an unknown ending, a file that is there already, a folder of that name, or a folder around it that
            is not there or not writable.
    """
    if path.suffix not in endings:
        raise UserError(f"output: {str(path)!r} given; the name must end in {' or '.join(endings)}")
    if path.is_dir():
        raise UserError(f"output: {str(path)!r} is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise UserError(f"output: {str(path)!r} is there already; choose another name, or set overwrite=true")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"output: the folder {str(path.parent)!r} is not there or cannot be written to")
