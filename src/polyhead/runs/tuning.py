"""Tuning: a search space, a study on one subject that can be resumed, and the pruning of hopeless trials.

Knows nothing about the meaning of the values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import lightning as L
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from polyhead.errors import UserError, check_parameters
from polyhead.runs.study_storage import Direction, StudyStorage
from polyhead.runs.trial_digest import is_damaged

QUALITY = "quality"
COSTS = ("seconds", "trainable_parameters", "peak_megabytes")
Values = dict[str, Any]
_RANGE_OR_LIST = "a list, or low < high, with low above 0 where log is true"
_SUBJECT = "subject"  # what all trials share, among the attributes of a study


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
    storage: StudyStorage,
    tuning: Tuning,
    mode: Literal["max", "min"],
    default: Values | None,
    subject: Mapping[str, Any],
) -> optuna.Study:
    """Open the study in a storage, or make it.

    Args:
        storage: of the study.
        tuning: how to search.
        mode: whether more quality is better.
        default: the values of the first trial, if there are any to begin with.
        subject: what all trials share, as plain data by name: their data, and the configuration that they start from;
            their seeds are added.

    Raises:
        UserError: the study there is of another subject, has other objectives or other values in a list of the space,
            or cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    better: Direction = "maximize" if mode == "max" else "minimize"
    directions: list[Direction] = [better] + ["minimize" for _ in tuning.objectives[1:]]
    try:
        study = storage.load_or_create(directions)
        damaged = [trial.number for trial in study.get_trials(deepcopy=False) if is_damaged(trial)]
    except UserError:
        raise
    except Exception as error:  # Optuna, SQLAlchemy and SQLite each have their own
        raise UserError(f"{storage.place} is no study to continue; {storage.elsewhere}") from error
    if damaged:
        raise UserError(f"{storage.place}: trial {damaged[0]} is damaged; {storage.elsewhere}")
    subject = {**subject, "seeds": [*tuning.seeds]}
    objectives = list(tuning.objectives)
    same_directions = [direction.name.lower() for direction in study.directions] == directions
    with storage.lock():  # two processes that come first would both begin with the default
        if not same_directions or study.user_attrs.get("objectives", objectives) != objectives:
            raise UserError(f"{storage.place} holds a study of other objectives; {storage.elsewhere}")
        _check_subject(storage, study.user_attrs.get(_SUBJECT, subject), subject)
        _check_space(storage, study, tuning)
        study.set_user_attr("objectives", objectives)
        study.set_user_attr(_SUBJECT, subject)
        if default is not None:
            study.enqueue_trial(default, skip_if_exists=True)
    if tuning.prunes:
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=tuning.pruning["startup_trials"], n_warmup_steps=0)
    return study


def _check_subject(storage: StudyStorage, noted: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
    """Check that a study continues with what it began with; one of version 0.1.0 noted nothing.

    Raises:
        UserError: what its trials share is something else.
    """
    changed = [name for name in {**noted, **subject} if noted.get(name) != subject.get(name)]
    if changed:
        name, more = changed[0], f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UserError(
            f"{storage.place} holds a study of something else ({name}: {noted.get(name)!r} -> {subject.get(name)!r}"
            f"{more}), whose values do not compare; {storage.elsewhere}"
        )


def _check_space(storage: StudyStorage, study: optuna.Study, tuning: Tuning) -> None:
    """Check that each key can be chosen as in the trials before; bounds may move, a list may not.

    Raises:
        UserError: one cannot.
    """
    for trial in study.get_trials(deepcopy=False):
        for key in trial.distributions.keys() & tuning.space.keys():
            before, now = map(_described, (trial.distributions[key], _distribution(tuning.space[key])))
            if before != now:
                raise UserError(
                    f"{storage.place} holds a study of another space ({key}: {before} -> {now}); bounds may move, and "
                    f"nothing else; {storage.elsewhere}"
                )


def _described(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return str([*distribution.choices])
    kind = "whole numbers" if isinstance(distribution, IntDistribution) else "numbers"
    return f"{kind}, log" if getattr(distribution, "log", False) else kind


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


def _distribution(values: Any) -> CategoricalDistribution | IntDistribution | FloatDistribution:
    """Return what the values of a key are drawn from."""
    if isinstance(values, list):
        return CategoricalDistribution(values)
    low, high, log = values["low"], values["high"], bool(values.get("log", False))
    whole = isinstance(low, int) and isinstance(high, int)
    return IntDistribution(low, high, log) if whole else FloatDistribution(low, high, log)


def _suggest(trial: optuna.Trial, key: str, values: Any) -> Any:
    drawn = _distribution(values)
    if isinstance(drawn, CategoricalDistribution):
        return trial.suggest_categorical(key, drawn.choices)
    if isinstance(drawn, IntDistribution):
        return trial.suggest_int(key, drawn.low, drawn.high, log=drawn.log)
    return trial.suggest_float(key, drawn.low, drawn.high, log=drawn.log)


def _contains(values: Any, value: Any) -> bool:
    if isinstance(values, list):
        return value in values
    return isinstance(value, int | float) and values["low"] <= value <= values["high"]
