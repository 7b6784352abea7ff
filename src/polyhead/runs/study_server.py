"""Study server: a study in a PostgreSQL database, for the hosts that reach it."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import optuna
import sqlalchemy
from sqlalchemy.pool import NullPool

from polyhead.errors import UserError, one_line, require_extra
from polyhead.runs.study_file import database
from polyhead.runs.study_storage import HEARTBEAT, Direction, StudyStorage


class StudyServer(StudyStorage):
    """A database, locked by PostgreSQL's advisory locks, which end with their connection.

    Args:
        url: ``postgresql://user@host:port/database``; what is missing, the password too, is taken as libpq does:
            ``PGPASSWORD``, ``~/.pgpass``.
        study: name of the study in the database.
        heartbeat: see :class:`StudyStorage`.

    Raises:
        UserError: the URL is none, or the driver is not installed.
    """

    elsewhere: ClassVar[str] = "choose another storage or study"

    def __init__(self, url: str, study: str, heartbeat: int = HEARTBEAT) -> None:
        super().__init__(study, heartbeat)
        with require_extra("postgresql", "storage"):
            import psycopg  # noqa: F401
        try:
            self._url = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
        except (sqlalchemy.exc.ArgumentError, ValueError) as error:
            raise UserError(
                f"storage: {url.partition('@')[2] or url!r} is no address; give postgresql://USER@HOST/DATABASE"
            ) from error
        self._engine = sqlalchemy.create_engine(self._url, poolclass=NullPool)

    @property
    def place(self) -> str:
        """The address and the study."""
        return f"{self.address!r}, study {self.study!r}"

    @property
    def address(self) -> str:
        """The address, without the password."""
        return self._url._replace(drivername="postgresql", password=None).render_as_string()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold an advisory lock of the study's name."""
        digest = hashlib.sha256(f"polyhead {self.study}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        with self._engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
            yield

    def load_or_create(self, directions: Sequence[Direction]) -> optuna.Study:
        """Load the study, or make it.

        Raises:
            UserError: the server cannot be reached, or refuses.
        """
        try:
            with self.lock():
                url = self._url.render_as_string(hide_password=False)
                return optuna.create_study(
                    study_name=self.study,
                    storage=database(url, self.heartbeat),
                    directions=list(directions),
                    load_if_exists=True,
                )
        except sqlalchemy.exc.OperationalError as error:
            raise UserError(f"storage: {self.address!r} cannot be used ({one_line(error.orig, 200)})") from error
