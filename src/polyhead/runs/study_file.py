"""Study file: a study in an SQLite file, made whole or not at all, for the processes of one host."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import optuna
from sqlalchemy.pool import NullPool

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

    elsewhere: ClassVar[str] = "choose another --folder"

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
        """Lock a file beside it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "study.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def load_or_create(self, directions: Sequence[Direction]) -> optuna.Study:
        """Load the study, or make it.

        Raises:
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
        for journal in self.folder.glob(f"{self.file.name}.*.partial-journal"):  # SQLite's, of a writer that is gone
            journal.unlink()
        with write_atomically(self.file, sync=True) as partial:
            optuna.create_study(study_name=self.study, storage=self._open(partial), directions=list(directions))

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
