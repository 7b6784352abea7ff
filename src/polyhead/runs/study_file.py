"""Study file: where a study lies, made whole or not at all and shared by processes. Knows nothing about its trials."""

import fcntl
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import optuna
from sqlalchemy.pool import NullPool

from polyhead.storage.output import write_atomically

Direction = Literal["minimize", "maximize"]

_NAME = "tuning"  # of the study in its file
_HEARTBEAT = 60  # seconds: a trial whose process was killed counts as failed after three of them


def load_or_create(folder: Path, directions: Sequence[Direction]) -> optuna.Study:
    """Load the study in a folder, or make it.

    Raises:
        ValueError: its file is empty; other damage is an exception of Optuna, SQLAlchemy or SQLite.
    """
    with warnings.catch_warnings(), (folder / "study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two processes that make the tables at once would both fail
        file = folder / "study.db"
        if file.exists() and not file.stat().st_size:
            raise ValueError(f"{file} is empty")  # SQLite would take it for a new one
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the heartbeat has been for years
        if not file.exists():
            _make_study(file, directions)
        return optuna.load_study(study_name=_NAME, storage=_storage(file))


def _make_study(file: Path, directions: Sequence[Direction]) -> None:
    """Make an empty study, whole or not at all: Optuna takes one with half of its tables for none that it can read."""
    for journal in file.parent.glob(f"{file.name}.*.partial-journal"):  # SQLite's own of a partial whose writer is gone
        journal.unlink()
    with write_atomically(file, sync=True) as partial:
        optuna.create_study(study_name=_NAME, storage=_storage(partial), directions=list(directions))


def _storage(file: Path) -> optuna.storages.RDBStorage:
    # Without a pool each connection is closed after use, also where something fails.
    settings = {"poolclass": NullPool}
    return optuna.storages.RDBStorage(f"sqlite:///{file}", engine_kwargs=settings, heartbeat_interval=_HEARTBEAT)


def storage_url(folder: Path) -> str:
    """Return the address of the study in a folder, as optuna-dashboard takes it, too."""
    return f"sqlite:///{folder / 'study.db'}"
