"""Output: a file that is there whole or not at all. Knows nothing about what is in it."""

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from polyhead.errors import UserError


class OutputFile(ABC):
    """Written under another name, it takes its own when it is complete, and is removed on failure.

    Args:
        path: its name at the end.

    Raises:
        UserError: it cannot be written: a full disk, say.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")

    @abstractmethod
    def close(self) -> None:
        """Complete what was written."""

    def publish(self) -> None:
        """Give the complete file its name."""
        self.partial.replace(self.path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Guard whatever opens the file or writes to it.

        Raises:
            UserError: the system refuses; nothing is left behind.
        """
        try:
            yield
        except BrokenPipeError:  # whoever reads has seen enough
            raise
        except OSError as error:
            self.partial.unlink(missing_ok=True)
            raise refused(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self.writing():
                self.close()
                if kind is None:
                    self.publish()
        except UserError:
            if kind is None:  # else what came first is told
                raise
        finally:
            self.partial.unlink(missing_ok=True)


def refused(path: Path, error: OSError) -> UserError:
    """Tell what the system says to writing as a user's matter."""
    reason = os.strerror(error.errno) if error.errno else error
    name = "standard output" if str(path) == "-" else repr(str(path))
    return UserError(f"output: {name} cannot be written ({reason}); make room, or choose another place")


def check_output(path: Path, endings: Collection[str], overwrite: bool) -> None:
    """Refuse a name that cannot be written to.

    Raises:
        UserError: an unknown ending, a file that is there already, or a folder that is not there or not writable.
    """
    if path.suffix not in endings:
        raise UserError(f"output: {str(path)!r} given; the name must end in {' or '.join(endings)}")
    if path.exists() and not overwrite:
        raise UserError(f"output: {str(path)!r} is there already; choose another name, or set overwrite=true")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"output: the folder {str(path.parent)!r} is not there or cannot be written to")
