"""Trial queue: which process begins which trial of a shared study. Knows nothing about what a trial does.

Trials are begun under the lock of the study's storage, so that all processes together never begin more than there shall
be. A trial whose process is gone counts as failed, and its values are queued for the next process.
"""

import time
from collections.abc import Sequence

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from polyhead.runs.study_storage import StudyStorage, first_number, quietly, requeue
from polyhead.runs.trial_owner import is_gone, this_process

_OWNER = "polyhead:owner"  # among the attributes of a trial: the process that it belongs to


class TrialQueue:
    """The trials of a study that are left to do.

    Args:
        study: shared by any number of processes.
        storage: in which it lies.
        trials: how many it shall have in the end; those whose values were tried again count once.
    """

    def __init__(self, study: optuna.Study, storage: StudyStorage, trials: int) -> None:
        self.study, self.storage, self.trials = study, storage, trials
        self._waited = False

    def next(self) -> optuna.Trial | None:
        """Begin a trial, once there is one to begin; None once all have ended, those of other processes as well."""
        while True:
            with self.storage.lock():
                self._fail_orphans()
                known = self.study.get_trials(deepcopy=False)
                if _is_retried(known) or _count(known) < self.trials:
                    return self._begin()
            running = [trial for trial in known if trial.state is TrialState.RUNNING]
            if not running:
                return None
            self._wait_for(len(running))

    def give_back(self, trial: optuna.Trial) -> None:
        """Count a trial as failed that this process will not bring to its end, and queue its values."""
        with self.storage.lock():
            self._fail(self._frozen(trial))

    def _begin(self) -> optuna.Trial:
        with quietly():
            trial = self.study.ask()
        self.study._storage.set_trial_system_attr(trial._trial_id, _OWNER, this_process())
        return trial

    def _fail_orphans(self) -> None:
        """Fail the trials whose process is gone: on this machine at once, on others after some missing heartbeats."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if is_gone(trial.system_attrs.get(_OWNER, "")):
                self._fail(trial)
        with quietly():
            optuna.storages.fail_stale_trials(self.study)

    def _fail(self, trial: FrozenTrial) -> None:
        try:
            self.study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
        except UpdateFinishedTrialError:  # it came to its end since it was read
            return
        requeue(self.study, trial)
        print(f"trial {trial.number}: its process ended, so it counts as failed", flush=True)

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        return self.study._storage.get_trial(trial._trial_id)

    def _wait_for(self, running: int) -> None:
        if not self._waited:
            self._waited = True
            print(f"all {self.trials} trials have begun; waiting for {running} of other processes", flush=True)
        time.sleep(self.storage.heartbeat / 20)


def _count(trials: Sequence[FrozenTrial]) -> int:
    """Return how many trials have begun; those whose values were tried again count once."""
    begun = [trial for trial in trials if trial.state is not TrialState.WAITING]
    return len({first_number(trial) for trial in begun})


def _is_retried(trials: Sequence[FrozenTrial]) -> bool:
    """Return whether values wait to be tried again."""
    waiting = [trial for trial in trials if trial.state is TrialState.WAITING]
    return any(first_number(trial) != trial.number for trial in waiting)
