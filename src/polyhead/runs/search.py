"""Search: trials of a study, one after the other, until it has as many as it shall have. Knows no meaning of values."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from polyhead.errors import UserError, one_line
from polyhead.runs.study_storage import StudyStorage
from polyhead.runs.trial_digest import note_digest
from polyhead.runs.trial_queue import TrialQueue

Objective = Callable[[optuna.Trial], Sequence[float]]


def search(study: optuna.Study, storage: StudyStorage, objective: Objective, trials: int) -> None:
    """Run trials until the study has ``trials`` of them, with those of other processes, and all of them have ended.

    Args:
        study: as :func:`polyhead.runs.tuning.open_study` opens it.
        storage: in which it lies.
        objective: trial -> its values. A RuntimeError fails the trial, and the search continues.
        trials: how many there shall be.

    Raises:
        UserError: the storage no longer answers.
    """
    queue = TrialQueue(study, storage, trials)
    with _storage_errors(storage):
        first = True
        while (trial := queue.next()) is not None:
            if first:  # numbers are distinct, so no process repeats the proposals of another
                study.sampler = optuna.samplers.TPESampler(seed=trial.number, multivariate=False)
                first = False
            with _alive(study, storage, trial):
                _run(queue, objective, trial)


def _run(queue: TrialQueue, objective: Objective, trial: optuna.Trial) -> None:
    """Run a trial and note what came of it."""
    error: Exception | None = None
    try:
        values = objective(trial)
        note_digest(trial, values)
        end = partial(queue.study.tell, trial, list(values))
    except optuna.TrialPruned:
        note_digest(trial, None)
        end = partial(queue.study.tell, trial, state=TrialState.PRUNED)
    except RuntimeError as failure:
        error = failure
        end = partial(queue.study.tell, trial, state=TrialState.FAIL)
    except (KeyboardInterrupt, SystemExit):  # the values are not to blame
        queue.give_back(trial)
        raise
    except Exception:  # a mistake of the user's, which ends the search
        with suppress(Exception):  # the storage itself may be gone
            queue.study.tell(trial, state=TrialState.FAIL)
        raise
    try:
        _print(end(), error)
    except (ValueError, UpdateFinishedTrialError):
        print(
            f"trial {trial.number}: other processes took this one for gone, so what it found is left out",
            file=sys.stderr,
        )


@contextmanager
def _alive(study: optuna.Study, storage: StudyStorage, trial: optuna.Trial) -> Iterator[None]:
    """Have a trial give signs of life inside the block."""
    ended = threading.Event()

    def beat() -> None:
        while True:
            with suppress(Exception):  # of a server that is away for a moment; the next sign may reach it
                study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
            if ended.wait(storage.heartbeat):
                return

    thread = threading.Thread(target=beat, daemon=True, name=f"heartbeat of trial {trial.number}")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _storage_errors(storage: StudyStorage) -> Iterator[None]:
    """Turn what Optuna and SQLAlchemy raise where the storage is gone into one line."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = one_line(getattr(error, "orig", None) or error, 200)
        raise UserError(
            f"{storage.place} no longer answers ({reason}); the same command continues the study"
        ) from error


def _print(trial: FrozenTrial, error: Exception | None) -> None:
    found = "" if trial.values is None else " " + ", ".join(f"{value:.4g}" for value in trial.values)
    values = " ".join(f"{key}={_short(value)}" for key, value in trial.params.items())
    reason = "" if error is None else f" ({one_line(error, 200)})"
    print(f"trial {trial.number}: {trial.state.name.lower()}{found} {values}{reason}", flush=True)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
