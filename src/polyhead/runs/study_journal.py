"""Study journal: a study in a file that is only appended to, for the hosts that see it, over NFS as well.

Optuna's journal knows no signs of life of its trials; here it has them.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import optuna
from optuna.storages import JournalStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from polyhead.errors import UserError
from polyhead.runs.study_storage import HEARTBEAT, Direction, StudyStorage, requeue

_BEAT = "polyhead:beat"  # among the attributes of a trial: how many signs of life it has given


class StudyJournal(StudyStorage):
    """A journal, with files beside it that lock it: made by ``O_EXCL``, which NFS does since its version 3.

    A process that is killed while it holds such a file is not waited for longer than half a minute.

    Args:
        file: the journal.
        study: name of the study in it.
        heartbeat: see :class:`StudyStorage`.
    """

    elsewhere: ClassVar[str] = "choose another storage or study"

    def __init__(self, file: Path, study: str, heartbeat: int = HEARTBEAT) -> None:
        super().__init__(study, heartbeat)
        self.file = file.absolute()

    @property
    def place(self) -> str:
        """The journal."""
        return repr(str(self.file))

    @property
    def address(self) -> str:
        """The journal's name, as it is."""
        return str(self.file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold a file beside the journal."""
        lock = JournalFileOpenLock(f"{self.file}.trials")
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def load_or_create(self, directions: Sequence[Direction]) -> optuna.Study:
        """Load the study, or make it.

        Raises:
            UserError: the file cannot be written.
            ValueError: a line of it is none of a journal.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.lock():
                _cut_unfinished_line(self.file)
                backend = JournalFileBackend(str(self.file), JournalFileOpenLock(str(self.file)))
                storage = _JournalWithHeartbeat(backend, self.heartbeat)
                return optuna.create_study(
                    study_name=self.study, storage=storage, directions=list(directions), load_if_exists=True
                )
        except OSError as error:
            raise UserError(f"storage: {self.place} cannot be written ({error.strerror}); {self.elsewhere}") from error


def _cut_unfinished_line(file: Path) -> None:
    """Cut off the half of a line that a host left that went down while it wrote; no process has acted on it."""
    if not file.exists():
        return
    with file.open("r+b") as journal:
        size = journal.seek(0, os.SEEK_END)
        start = max(0, size - 2**20)
        journal.seek(start)
        end = journal.read().rfind(b"\n")
        if start + end + 1 < size and (end >= 0 or start == 0):
            journal.truncate(start + end + 1)


class _JournalWithHeartbeat(JournalStorage, BaseHeartbeat):
    """Optuna's journal, in which running trials count how often they gave a sign of life.

    No clocks are compared: a trial is stale once this process has seen no new sign for long enough.
    """

    def __init__(self, backend: JournalFileBackend, interval: int) -> None:
        super().__init__(backend)
        self._interval = interval
        self._seen: dict[int, tuple[int, float]] = {}  # trial -> its last sign, and when this process first saw that

    def record_heartbeat(self, trial_id: int) -> None:
        """Write a sign of life."""
        beat = self.get_trial(trial_id).system_attrs.get(_BEAT, 0)
        self.set_trial_system_attr(trial_id, _BEAT, beat + 1)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        now, running = time.monotonic(), self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            beat = trial.system_attrs.get(_BEAT, 0)
            if self._seen.get(trial._trial_id, (None, now))[0] != beat:
                self._seen[trial._trial_id] = (beat, now)
        return [trial._trial_id for trial in running if now - self._seen[trial._trial_id][1] > 2 * self._interval]

    def get_heartbeat_interval(self) -> int:
        """Return the seconds between two signs."""
        return self._interval

    def get_heartbeat_stale_trial_callback(self) -> Callable[[optuna.Study, FrozenTrial], None]:
        """Return what is done with a trial whose process is gone."""
        return requeue
