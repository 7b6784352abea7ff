"""Tuning, from its search space to a command line: each trial is one or more runs, composed as train.py does."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import yaml
from omegaconf import DictConfig, OmegaConf

from polyhead.app import train
from polyhead.app.command_line import quoted
from polyhead.app.hydra_state import chosen_options, compose_as_train
from polyhead.app.old_names import new_overrides
from polyhead.errors import UserError
from polyhead.runs.old_names import new_key
from polyhead.runs.record import read
from polyhead.runs.study_file import storage_url
from polyhead.runs.tuning import QUALITY, Pruning, Tuning, Values, open_study, search

_MOST_EPOCHS = 10_000  # of one seed: where the next seed of a trial starts to count its steps


def run(configs: Path, space: Path, overrides: Sequence[str], folder: Path, trials: int) -> None:
    """Search until the study has its trials, and print its conclusion.

    Args:
        configs: the folder of train.py's configuration.
        space: a file like ``configs/tune.yaml``.
        overrides: what all trials share, as for train.py.
        folder: of the study and its runs.
        trials: how many the study shall have in the end, with those that it has already.

    Raises:
        UserError: the space, the overrides or the study are not well-formed.
    """
    if trials < 1:
        raise UserError(f"--trials: {trials} given; it must be 1 or more")
    tuning = _read(space)
    default = _composed(configs, overrides, folder / "default")
    train.check_choices()
    train.prepare(default)  # a mistake that all trials share is told before the first
    study = open_study(folder, tuning, default.monitor.mode, tuning.inside(_defaults(tuning, default)))

    def objective(trial: optuna.Trial) -> list[float]:
        return _trial(trial, tuning, configs, overrides, folder)

    try:
        search(study, objective, trials)
    except (KeyboardInterrupt, SystemExit):  # the latter is what Lightning makes of Ctrl-C
        print(f"the same command continues the study in {folder}", file=sys.stderr)
        raise KeyboardInterrupt from None
    print("\n".join(conclusion(study, tuning, overrides, folder)))


def _defaults(tuning: Tuning, config: DictConfig) -> Values:
    """Return the option or the value of each key of the space in a configuration.

    A space may have names of an earlier version, and keeps them: a study that began under them goes by them.

    Raises:
        UserError: a key that is no group and no key of the configuration.
    """
    options = chosen_options()
    found = {}
    for key in tuning.space:
        name = new_key(key)
        found[key] = options.get(name, OmegaConf.select(config, name))
    if unknown := [key for key, value in found.items() if value is None]:
        raise UserError(f"space: {', '.join(unknown)}: no such key or group of this configuration")
    return found


def _read(path: Path) -> Tuning:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Tuning(**content)
    except OSError as error:
        raise UserError(f"--space: {str(path)!r} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, TypeError) as error:
        raise UserError(f"--space: {str(path)!r} must hold space, objectives, seeds and pruning, as YAML") from error


def _composed(configs: Path, overrides: Sequence[str], folder: Path) -> DictConfig:
    return compose_as_train(configs, [*overrides, f"run_dir={quoted(str(folder))}", "test=false"])


def _trial(trial: optuna.Trial, tuning: Tuning, configs: Path, overrides: Sequence[str], folder: Path) -> list[float]:
    """Run a trial's seeds and return the means of its objectives."""
    values = as_overrides(tuning.suggest(trial))
    results: list[list[float]] = []
    for index, seed in enumerate(tuning.seeds):
        run_folder = folder / f"trial={trial.number},seed={seed}"
        config = _composed(configs, [*overrides, *values, f"seed={seed}"], run_folder)
        callbacks = []
        if tuning.prunes:
            first_step = index * _MOST_EPOCHS
            callbacks.append(Pruning(trial, config.monitor.metric, first_step, tuning.pruning["warmup_epochs"]))
        with _logged(run_folder):
            quality = train.run(config, callbacks, quiet=True)
        costs = read(run_folder).costs()
        results.append([quality, *(float(costs[name]) for name in tuning.objectives if name != QUALITY)])
    return [fmean(column) for column in zip(*results, strict=True)]


@contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Write what a run logs to its folder, and nothing of it to the terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    except optuna.TrialPruned:
        root.info("this run was stopped: hopeless beside the other trials")
        raise
    except Exception:
        root.exception("this run failed")
        raise
    finally:
        root.removeHandler(handler)
        handler.close()


def as_overrides(values: Values) -> list[str]:
    """Write values as overrides of train.py."""
    return [f"{key}={value}" for key, value in values.items()]


def conclusion(study: optuna.Study, tuning: Tuning, overrides: Sequence[str], folder: Path) -> Iterator[str]:
    """Say what the study came to, line by line: the best trial, or the front of trade-offs, and how to train it."""
    best = [trial for trial in study.best_trials if trial.values is not None]
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.values is not None]
    states = [trial.state.name.lower() for trial in study.get_trials(deepcopy=False)]
    yield f"{len(states)} trials: " + ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    first = next((trial for trial in finished if trial.number == 0), None)
    if first is not None:
        yield f"as it stands (trial 0): {_named(tuning, first.values)}"
    if not best:
        yield "no trial has ended; look into the train.log of its run"
    for trial in best:
        yield f"best (trial {trial.number}): {_named(tuning, trial.values)}"
        choices = new_overrides([*overrides, *as_overrides(trial.params)])
        yield "  " + " ".join(["python train.py -m", *choices, "seed=0,1,2"])
    yield "The best of many on validation looks better than it is; the line above trains again and tests each run."
    yield f"look closer: optuna-dashboard {storage_url(folder)}"


def _named(tuning: Tuning, values: Sequence[Any]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in zip(tuning.objectives, values, strict=True))
