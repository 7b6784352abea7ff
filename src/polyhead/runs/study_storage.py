"""Study storage: where a study lies, and the lock under which processes share it. Knows nothing about its trials."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, Literal

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback

Direction = Literal["minimize", "maximize"]

HEARTBEAT = 60  # seconds between two signs of life of a trial; a process that gives none for two of them counts as gone
RETRIES = 2  # times that the values of a trial are tried again whose process ended; one that kills its process ends


class StudyStorage(ABC):
    """A place in which a study lies, shared by any number of processes.

    Args:
        study: name of the study there.
        heartbeat: seconds between two signs of life of a trial.
    """

    elsewhere: ClassVar[str]
    """How to choose another place, for a message."""

    def __init__(self, study: str, heartbeat: int = HEARTBEAT) -> None:
        self.study = study
        self.heartbeat = heartbeat

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it lies, for a message; without a password."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it lies, as optuna-dashboard takes it; without a password."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """Keep the other processes, on all hosts, from beginning a trial inside the block; for moments only."""

    @abstractmethod
    def load_or_create(self, directions: Sequence[Direction]) -> optuna.Study:
        """Load the study, or make it.

        Raises:
            UserError: the place cannot be reached; damage is an exception of its own library.
        """


def requeue(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Queue the values of a trial that did not come to its end, unless they were tried too often."""
    with quietly():
        RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


def first_number(trial: optuna.trial.FrozenTrial) -> int:
    """Return the number under which the values of a trial were first tried."""
    with quietly():
        number = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if number is None else number


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out Optuna's warnings: its heartbeat has been experimental for years, and is for loops of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
        yield
