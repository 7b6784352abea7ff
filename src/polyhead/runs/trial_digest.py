"""Trial digest: what a trial found, noted so that damage is seen; SQLite does not see a flipped bit."""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from polyhead.storage.digests import json_digest

_DIGEST = "digest"  # among the attributes of a trial


def note_digest(trial: optuna.Trial, values: Sequence[float] | None) -> None:
    """Note the digest of a trial that ends with these values; None for one that is pruned."""
    trial.set_user_attr(_DIGEST, _digest(trial.study.get_trials(deepcopy=False)[trial.number], values))


def is_damaged(trial: FrozenTrial) -> bool:
    """Return whether a trial that ended is not as it was found; one of version 0.1.0 has no digest."""
    noted = trial.user_attrs.get(_DIGEST)
    if noted is None or trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return False
    return bool(noted != _digest(trial, trial.values if trial.state is TrialState.COMPLETE else None))


def _digest(trial: FrozenTrial, values: Sequence[float] | None) -> str:
    found = {"params": trial.params, "intermediate": {str(k): v for k, v in trial.intermediate_values.items()}}
    return json_digest({**found, "values": None if values is None else [float(value) for value in values]})
