"""Tuning: a search space, a study that can be resumed and shared, and the pruning of hopeless trials.

Knows nothing about what a trial does with its values.
"""

import fcntl
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import NullPool

from polyhead.errors import UserError

QUALITY = "quality"
COSTS = ("seconds", "trainable_parameters", "peak_megabytes")
Values = dict[str, Any]
Direction = Literal["minimize", "maximize"]
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_HEARTBEAT = 60  # seconds: a trial whose process was killed counts as failed after three of them


@dataclass(frozen=True)
class Tuning:
    """How to search, as ``configs/tune.yaml`` says.

    Args:
        space: configuration key -> list of values, or ``low``, ``high`` and maybe ``log``.
        objectives: ``quality``, and maybe one or more of :data:`COSTS`.
        seeds: a trial's values are means over them.
        pruning: ``startup_trials`` that are never stopped, ``warmup_epochs`` of each seed.

    Raises:
        UserError: something of it is not well-formed, one problem a line.
    """

    space: Mapping[str, Any]
    objectives: Sequence[str]
    seeds: Sequence[int]
    pruning: Mapping[str, int]

    def __post_init__(self) -> None:
        problems = [] if self.space else ["space: empty; name at least one key and its values"]
        problems += [problem for key, values in self.space.items() if (problem := _problem(key, values))]
        if list(self.objectives[:1]) != [QUALITY] or not set(self.objectives[1:]) <= set(COSTS):
            problems.append(
                f"objectives: {list(self.objectives)} given; valid: {QUALITY}, then any of {', '.join(COSTS)}"
            )
        if not self.seeds:
            problems.append("seeds: none given; one is cheap, three are better")
        if set(self.pruning) != {"startup_trials", "warmup_epochs"}:
            problems.append(f"pruning: {dict(self.pruning)} given; it has startup_trials and warmup_epochs")
        if problems:
            raise UserError("\n".join(problems))

    @property
    def prunes(self) -> bool:
        """Whether trials may be stopped; with several objectives there is no one value to stop them by."""
        return len(self.objectives) == 1

    def suggest(self, trial: optuna.Trial) -> Values:
        """Choose a trial's values."""
        return {key: _suggest(trial, key, values) for key, values in self.space.items()}

    def inside(self, values: Values) -> Values | None:
        """Return those of ``values`` that the space is about; None if it leaves one of them out."""
        own = {key: values.get(key) for key in self.space}
        return own if all(_contains(self.space[key], value) for key, value in own.items()) else None


def open_study(folder: Path, tuning: Tuning, mode: Literal["max", "min"], default: Values | None) -> optuna.Study:
    """Open the study in a folder, or make it.

    Args:
        folder: holds ``study.db``.
        tuning: how to search.
        mode: whether more quality is better.
        default: the values of the first trial, if there are any to begin with.

    Raises:
        UserError: the study there has other objectives, or cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    better: Direction = "maximize" if mode == "max" else "minimize"
    directions: list[Direction] = [better] + ["minimize" for _ in tuning.objectives[1:]]
    try:
        with warnings.catch_warnings(), (folder / "study.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two processes that make the tables at once would both fail
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the heartbeat is, since years
            # Without a pool each connection is closed after use, also where something fails.
            storage = optuna.storages.RDBStorage(
                storage_url(folder), engine_kwargs={"poolclass": NullPool}, heartbeat_interval=_HEARTBEAT
            )
            study = optuna.create_study(
                study_name="tuning", storage=storage, directions=directions, load_if_exists=True
            )
    except Exception as error:  # Optuna, SQLAlchemy and SQLite each have their own
        raise UserError(f"{str(folder / 'study.db')!r} is no study to go on with; choose another --folder") from error
    if [direction.name.lower() for direction in study.directions] != directions or study.user_attrs.get(
        "objectives", list(tuning.objectives)
    ) != list(tuning.objectives):
        raise UserError(f"{str(folder)!r} holds a study of other objectives; choose another --folder")
    study.set_user_attr("objectives", list(tuning.objectives))
    # Processes that join later must not repeat the proposals of the first.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.get_trials(deepcopy=False)), multivariate=False)
    if tuning.prunes:
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=tuning.pruning["startup_trials"], n_warmup_steps=0)
    if default is not None:
        study.enqueue_trial(default, skip_if_exists=True)
    return study


def storage_url(folder: Path) -> str:
    """Return the address of the study in a folder, which optuna-dashboard takes, too."""
    return f"sqlite:///{folder / 'study.db'}"


def search(study: optuna.Study, objective: Callable[[optuna.Trial], Sequence[float]], trials: int) -> None:
    """Run trials until the study has ``trials`` of them, those of other processes counted."""
    if sum(trial.state in _ENDED for trial in study.get_trials(deepcopy=False)) < trials:
        stop = MaxTrialsCallback(trials, states=_ENDED)
        study.optimize(objective, callbacks=[stop, _told], catch=(RuntimeError,))


def _told(_: optuna.Study, trial: FrozenTrial) -> None:
    values = "" if trial.values is None else " " + ", ".join(f"{value:.4g}" for value in trial.values)
    print(f"trial {trial.number}: {trial.state.name.lower()}{values} {_short(trial.params)}", flush=True)


def _short(values: Values) -> str:
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )


class Pruning(Callback):
    """Stops a trial after an epoch whose validation leaves no hope.

    Args:
        trial: what the run belongs to.
        metric: that decides, as it is logged.
        first_step: number of the run's first epoch among those of the trial, so that a seed is compared with the same
            seed of other trials.
        warmup_epochs: of the run, in which it is never stopped.
    """

    def __init__(self, trial: optuna.Trial, metric: str, first_step: int, warmup_epochs: int) -> None:
        self.trial = trial
        self.metric = metric
        self.first_step = first_step
        self.warmup_epochs = warmup_epochs

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the epoch's value, and stop the run if it is too bad.

        Raises:
            optuna.TrialPruned: so that Optuna knows.
        """
        epoch = trainer.current_epoch
        self.trial.report(float(trainer.callback_metrics[self.metric]), self.first_step + epoch)
        if epoch >= self.warmup_epochs and self.trial.should_prune():
            raise optuna.TrialPruned(f"epoch {epoch}: hopeless beside the other trials")


def _problem(key: str, values: Any) -> str | None:
    if isinstance(values, list) and values:
        return None
    if isinstance(values, Mapping) and {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        low, high, log = values["low"], values["high"], values.get("log", False)
        if all(isinstance(number, int | float) for number in (low, high)) and low < high and (low > 0 or not log):
            return None
    return f"space.{key}: {values!r} given; it must be a list, or low < high, with low above 0 where log is true"


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
