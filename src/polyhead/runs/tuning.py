"""Tuning: a search space, a study that can be resumed and shared, and the pruning of hopeless trials.

Knows nothing about the meaning of the values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning as L
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState

from polyhead.errors import UserError, check_parameters
from polyhead.runs.study_file import Direction, load_or_create
from polyhead.storage.digests import json_digest

QUALITY = "quality"
COSTS = ("seconds", "trainable_parameters", "peak_megabytes")
Values = dict[str, Any]
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_RANGE_OR_LIST = "a list, or low < high, with low above 0 where log is true"
_SUBJECT = "subject"  # what all trials share, among the attributes of a study
_DIGEST = "digest"  # of what a trial found, among its attributes


@dataclass(frozen=True)
class Tuning:
    """How to search, as ``configs/tune.yaml`` says.

    Args:
        space: configuration key -> list of values, or ``low``, ``high`` and maybe ``log``.
        objectives: ``quality``, and maybe one or more of :data:`COSTS`.
        seeds: the values of a trial are means over them.
        pruning: the number of ``startup_trials``, which are never stopped, and of ``warmup_epochs``, in which no seed
            of a later trial is.

    Raises:
        ParameterError: at least one of them is not well-formed; one line for each problem.
    """

    space: Mapping[str, Any]
    objectives: Sequence[str]
    seeds: Sequence[int]
    pruning: Mapping[str, int]

    def __post_init__(self) -> None:
        objectives, pruning = list(self.objectives), dict(self.pruning)
        known = objectives[:1] == [QUALITY] and set(objectives[1:]) <= set(COSTS)
        check_parameters(
            ("space", self.space, bool(self.space), "at least one key with its values"),
            *(
                (f"space.{key}", values, _is_range_or_list(values), _RANGE_OR_LIST)
                for key, values in self.space.items()
            ),
            (
                "objectives",
                objectives,
                known and len({*objectives}) == len(objectives),
                f"{QUALITY}, then any of {', '.join(COSTS)}",
            ),
            ("seeds", self.seeds, bool(self.seeds), "one or more seeds; one is cheap, three are better"),
            ("pruning", pruning, _counts_epochs(pruning), "startup_trials and warmup_epochs, each 0 or more"),
        )

    @property
    def prunes(self) -> bool:
        """Whether trials may be stopped; with several objectives there is no one value to stop them by."""
        return len(self.objectives) == 1

    def suggest(self, trial: optuna.Trial) -> Values:
        """Choose the values of a trial."""
        return {key: _suggest(trial, key, values) for key, values in self.space.items()}

    def outside(self, values: Values) -> list[str]:
        """Return the keys of the space whose ``values`` lie outside it."""
        return [key for key, allowed in self.space.items() if not _contains(allowed, values[key])]


def open_study(
    folder: Path, tuning: Tuning, mode: Literal["max", "min"], default: Values | None, subject: Mapping[str, Any]
) -> optuna.Study:
    """Open the study in a folder, or make it.

    Args:
        folder: holds ``study.db``.
        tuning: how to search.
        mode: whether more quality is better.
        default: the values of the first trial, if there are any to begin with.
        subject: what all trials share, as plain data by name: their data, and the configuration that they start from.

    Raises:
        UserError: the study there is of another subject, has other objectives, or cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    better: Direction = "maximize" if mode == "max" else "minimize"
    directions: list[Direction] = [better] + ["minimize" for _ in tuning.objectives[1:]]
    try:
        study = load_or_create(folder, directions)
        damaged = [trial.number for trial in study.get_trials(deepcopy=False) if _is_damaged(trial)]
    except Exception as error:  # Optuna, SQLAlchemy and SQLite each have their own
        raise UserError(f"{str(folder / 'study.db')!r} is no study to continue; choose another --folder") from error
    if damaged:
        raise UserError(f"{str(folder / 'study.db')!r}: trial {damaged[0]} is damaged; choose another --folder")
    objectives = list(tuning.objectives)
    same_directions = [direction.name.lower() for direction in study.directions] == directions
    if not same_directions or study.user_attrs.get("objectives", objectives) != objectives:
        raise UserError(f"{str(folder)!r} holds a study of other objectives; choose another --folder")
    _check_subject(folder, study.user_attrs.get(_SUBJECT, subject), subject)
    study.set_user_attr("objectives", objectives)
    study.set_user_attr(_SUBJECT, dict(subject))
    # Processes that join later must not repeat the proposals of the first.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.get_trials(deepcopy=False)), multivariate=False)
    if tuning.prunes:
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=tuning.pruning["startup_trials"], n_warmup_steps=0)
    if default is not None:
        study.enqueue_trial(default, skip_if_exists=True)
    return study


def _check_subject(folder: Path, noted: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
    """Check that a study continues with what it began with; one of version 0.1.0 noted nothing.

    Raises:
        UserError: what its trials share is something else.
    """
    changed = [name for name in {**noted, **subject} if noted.get(name) != subject.get(name)]
    if changed:
        name, more = changed[0], f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UserError(
            f"{str(folder)!r} holds a study of something else ({name}: {noted.get(name)!r} -> {subject.get(name)!r}"
            f"{more}), whose values do not compare; choose another --folder"
        )


def search(study: optuna.Study, objective: Callable[[optuna.Trial], Sequence[float]], trials: int) -> None:
    """Run trials until the study has ``trials`` of them, with those of other processes."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state in _ENDED]
    if len(ended) < trials:
        stop = MaxTrialsCallback(trials, states=_ENDED)
        study.optimize(partial(_with_digest, objective), callbacks=[stop, _print_trial], catch=(RuntimeError,))


def _with_digest(objective: Callable[[optuna.Trial], Sequence[float]], trial: optuna.Trial) -> Sequence[float]:
    """Return the values of a trial, and note a digest of all that was found: SQLite does not see a flipped bit."""
    try:
        values = objective(trial)
    except optuna.TrialPruned:
        trial.set_user_attr(_DIGEST, _digest(_frozen(trial), None))
        raise
    trial.set_user_attr(_DIGEST, _digest(_frozen(trial), values))
    return values


def _is_damaged(trial: FrozenTrial) -> bool:
    """Return whether a trial that ended is not as it was found; one of version 0.1.0 has no digest."""
    noted = trial.user_attrs.get(_DIGEST)
    if noted is None or trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return False
    return bool(noted != _digest(trial, trial.values if trial.state is TrialState.COMPLETE else None))


def _digest(trial: FrozenTrial, values: Sequence[float] | None) -> str:
    found = {"params": trial.params, "intermediate": {str(k): v for k, v in trial.intermediate_values.items()}}
    return json_digest({**found, "values": None if values is None else [float(value) for value in values]})


def _frozen(trial: optuna.Trial) -> FrozenTrial:
    return trial.study.get_trials(deepcopy=False)[trial.number]


def _print_trial(_: optuna.Study, trial: FrozenTrial) -> None:
    results = "" if trial.values is None else " " + ", ".join(f"{value:.4g}" for value in trial.values)
    values = " ".join(f"{key}={_short(value)}" for key, value in trial.params.items())
    print(f"trial {trial.number}: {trial.state.name.lower()}{results} {values}", flush=True)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Pruning(Callback):
    """Stops a trial after an epoch whose validation is worse than that of other trials, as Optuna's pruner decides.

    Args:
        trial: that the run belongs to.
        metric: by which it is compared, under the name in the log; or what gives the name once the run has chosen it.
        first_step: number of the run's first epoch among those of the trial, so that a seed is compared with the same
            seed of other trials.
        warmup_epochs: of the run, in which it is never stopped.
    """

    def __init__(
        self, trial: optuna.Trial, metric: str | Callable[[], str], first_step: int, warmup_epochs: int
    ) -> None:
        self.trial = trial
        self.metric = metric
        self.first_step = first_step
        self.warmup_epochs = warmup_epochs

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the epoch's value, and stop the run if it is too bad.

        Raises:
            optuna.TrialPruned: the run is to stop; Optuna takes the trial for pruned.
        """
        epoch = trainer.current_epoch
        metric = self.metric if isinstance(self.metric, str) else self.metric()
        self.trial.report(float(trainer.callback_metrics[metric]), self.first_step + epoch)
        if epoch >= self.warmup_epochs and self.trial.should_prune():
            raise optuna.TrialPruned(f"epoch {epoch}: hopeless beside the other trials")


def _is_range_or_list(values: Any) -> bool:
    if isinstance(values, list):
        return bool(values)
    if not isinstance(values, Mapping) or not {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        return False
    low, high = values["low"], values["high"]
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return False
    return low < high and (low > 0 or not values.get("log", False))


def _counts_epochs(pruning: Mapping[str, Any]) -> bool:
    if set(pruning) != {"startup_trials", "warmup_epochs"}:
        return False
    return all(isinstance(count, int) and count >= 0 for count in pruning.values())


def _suggest(trial: optuna.Trial, key: str, values: Any) -> Any:
    if isinstance(values, list):
        return trial.suggest_categorical(key, values)
    low, high, log = values["low"], values["high"], bool(values.get("log", False))
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=log)
    return trial.suggest_float(key, low, high, log=log)


def _contains(values: Any, value: Any) -> bool:
    if isinstance(values, list):
        return value in values
    return isinstance(value, int | float) and values["low"] <= value <= values["high"]
