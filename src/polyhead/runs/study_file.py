"""Study file: a study in an SQLite file, made whole or not at all, for the processes of one host."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import optuna
from sqlalchemy.pool import NullPool

from polyhead.errors import UserError, one_line
from polyhead.runs.study_storage import HEARTBEAT, Direction, StudyStorage, quietly, requeue
from polyhead.storage.output import write_atomically

STUDY = "tuning"
"""Name of the study in its file."""


class StudyFile(StudyStorage):
    """The file ``study.db`` in a folder.

    Args:
        folder: made when first needed.
        heartbeat: see :class:`StudyStorage`.
    """

    elsewhere: ClassVar[str] = "choose another folder"

    def __init__(self, folder: Path, heartbeat: int = HEARTBEAT) -> None:
        super().__init__(STUDY, heartbeat)
        self.folder = folder
        self.file = folder / "study.db"

    @property
    def place(self) -> str:
        """The file."""
        return repr(str(self.file))

    @property
    def address(self) -> str:
        """The file as a URL."""
        return f"sqlite:///{self.file}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock a file beside it.

        Raises:
            UserError: it cannot be written.
        """
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "study.lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def load_or_create(self, directions: Sequence[Direction]) -> optuna.Study:
        """Load the study, or make it.

        Raises:
            UserError: it cannot be written.
            ValueError: its file is empty; other damage is an exception of Optuna, SQLAlchemy or SQLite.
        """
        with self.lock():  # two processes that make the tables at once would both fail
            if self.file.exists() and not self.file.stat().st_size:
                raise ValueError(f"{self.file} is empty")  # SQLite would take it for a new one
            if not self.file.exists():
                self._make(directions)
            return optuna.load_study(study_name=self.study, storage=self._open(self.file))

    def _make(self, directions: Sequence[Direction]) -> None:
        """Make an empty study, whole or not at all: Optuna takes one with half of its tables for none it can read."""
        with self._writing():
            self._make_whole(directions)

    def _make_whole(self, directions: Sequence[Direction]) -> None:
        for journal in self.folder.glob(f"{self.file.name}.*.partial-journal"):  # SQLite's, of a writer that is gone
            journal.unlink()
        with write_atomically(self.file, sync=True) as partial:
            optuna.create_study(study_name=self.study, storage=self._open(partial), directions=list(directions))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn whatever keeps a block from writing into a user error."""
        try:
            yield
        except Exception as error:  # Optuna, SQLAlchemy and SQLite each have their own
            raise UserError(
                f"folder: {str(self.folder)!r} cannot be written ({one_line(error, 200)}); {self.elsewhere}"
            ) from error

    def _open(self, file: Path) -> optuna.storages.RDBStorage:
        return database(f"sqlite:///{file}", self.heartbeat)


def database(url: str, heartbeat: int) -> optuna.storages.RDBStorage:
    """Return Optuna's storage in a database. Without a pool each connection is closed, also where something fails."""
    with quietly():
        return optuna.storages.RDBStorage(
            url,
            engine_kwargs={"poolclass": NullPool},
            heartbeat_interval=heartbeat,
            heartbeat_stale_trial_callback=requeue,
        )
