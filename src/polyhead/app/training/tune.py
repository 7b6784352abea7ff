"""Tuning, from its search space to a command line: each trial is one or more runs, composed as train.py does."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast, get_type_hints

import optuna
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from polyhead.app.config.hydra_state import chosen_options, compose_as_train
from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.options import type_problems
from polyhead.app.config.places import without_places
from polyhead.app.terminal.command_line import quoted
from polyhead.app.training import train
from polyhead.app.training.components import RunComponents
from polyhead.app.training.model_check import without_effect
from polyhead.app.training.study_conclusion import as_overrides, conclusion
from polyhead.errors import UserError
from polyhead.processes import launched_together
from polyhead.runs.neutral_keys import is_neutral
from polyhead.runs.old_names import new_key
from polyhead.runs.record import flat, read
from polyhead.runs.search import search
from polyhead.runs.study_file import StudyFile
from polyhead.runs.study_storage import StudyStorage
from polyhead.runs.tuning import QUALITY, Pruning, Tuning, Values, open_study

_OWN = {
    "run_dir": "the runs of a study lie in its --folder",
    "seed": "a trial is the mean over the seeds of the --space; give them there",
    "test": "a study never looks at the test set; leave it out",
}
_ABSENT = object()
_MOST_EPOCHS = 10_000  # of one seed: where the next seed of a trial starts to count its steps


Compose = Callable[[Sequence[str], Path], DictConfig]
"""Overrides and the folder of a run -> its configuration."""


def run(
    configs: Path,
    space: Path,
    overrides: Sequence[str],
    folder: Path,
    trials: int,
    search_path: Sequence[Path] = (),
    storage: StudyStorage | None = None,
) -> None:
    """Search until the study has its trials, and print its conclusion.

    Args:
        configs: the folder of train.py's configuration.
        space: a file like ``configs/tune.yaml``.
        overrides: what all trials share, as for train.py.
        folder: of the runs, and of the study where that has no other place.
        trials: how many the study shall have in the end, with those that it has already and those of other processes.
        search_path: folders with options of the user's own.
        storage: of the study; None is a file in the folder.

    Raises:
        UserError: the space, the overrides or the study are not well-formed.
    """
    if trials < 1:
        raise UserError(f"--trials: {trials} given; it must be 1 or more")
    if launched_together():
        raise UserError(
            "processes that share a study are each by itself; start them one by one, or as sbatch --array=1-8, and "
            "not by srun --ntasks or torchrun"
        )
    tuning = _without_given(_read(space), overrides)
    compose = partial(_composed, configs, search_path)
    default = compose(overrides, folder / "default")
    if default.data.get("folds") is not None and default.data.get("fold") is None:
        raise UserError(
            f"data.folds: {default.data.folds} given, and a study looks at the validation sentences of one run a "
            "trial; leave it out, or choose a fold by data.fold=0"
        )
    train.check_choices()
    components = train.prepare(default)  # a mistake that all trials share is told before the first
    if not components.source.has("validation"):
        raise UserError("data: a study goes by validation, and no sentences are given or held out for it; give some")
    if components.heads and not components.takes_steps and not {*tuning.space} - {*without_effect(tuning.space)}:
        raise UserError(
            f"space: {', '.join(tuning.space)} change nothing, since heads are solved and nothing else is trained; set "
            "heads=trained, or search something else"
        )
    values = _defaults(tuning, default)
    if outside := tuning.outside(values):
        print(f"no trial is made of the configuration as it stands: {_listed(outside, values)} outside the space")
    subject = _subject(default, components, folder)
    place = storage or StudyFile(folder)
    study = open_study(place, tuning, default.monitor.mode, None if outside else values, subject)

    def objective(trial: optuna.Trial) -> list[float]:
        return _trial(trial, tuning, compose, overrides, folder)

    try:
        search(study, place, objective, trials)
    except (KeyboardInterrupt, SystemExit):  # the latter is what Lightning makes of Ctrl-C
        print(f"the same command continues the study in {place.place}", file=sys.stderr)
        raise KeyboardInterrupt from None
    flags = [word for own in search_path for word in ("--config-dir", str(own))]
    print("\n".join(conclusion(study, tuning, [*flags, *overrides], place.address, values)))


def _without_given(tuning: Tuning, overrides: Sequence[str]) -> Tuning:
    """Return a search without the keys that the command line fixes, and say which these are.

    Raises:
        UserError: nothing is left to be searched, or a key is given that is the study's own.
    """
    parsed = OverridesParser.create().parse_overrides(new_overrides(overrides))
    given = {override.key_or_group: override for override in parsed}
    if own := [key for key in given if key in _OWN]:
        raise UserError("\n".join(f"{key}: given; {_OWN[key]}" for key in own))
    space = {key: values for key, values in tuning.space.items() if new_key(key) not in given}
    fixed = [str(given[new_key(key)].input_line) for key in tuning.space if key not in space]
    if not space:
        raise UserError(f"space: all of its keys are given ({' '.join(fixed)}), so nothing is left to search")
    for override in fixed:
        print(f"{override}, as given: it is not searched")
    return replace(tuning, space=space)


def _subject(config: DictConfig, components: RunComponents, folder: Path) -> dict[str, Any]:
    """Return what all trials share: the sentences that they learn from and the configuration that they start from."""
    from polyhead.app.training.run_data import LEARNED_FROM, data_digests, make_data  # imports Lightning

    data = make_data(components, str(folder))
    for split in LEARNED_FROM:
        data.split(split)
    content = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    shared = {key: value for key, value in flat(without_places(content)).items() if not is_neutral(key)}
    return {**shared, **{f"{split} sentences": digest[:8] for split, digest in data_digests(data).items()}}


def _listed(keys: Sequence[str], values: Values) -> str:
    listed = ", ".join(f"{key}={values[key]}" for key in keys)
    return f"{listed} {'lies' if len(keys) == 1 else 'lie'}"


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
        found[key] = options.get(name, OmegaConf.select(config, name, default=_ABSENT))
    if unknown := [key for key, value in found.items() if value is _ABSENT]:
        raise UserError(f"space: {', '.join(unknown)}: no such key or group of this configuration")
    return found


def _read(path: Path) -> Tuning:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        hints = get_type_hints(Tuning)
        problems = [line for key in content for line in type_problems(key, content[key], hints.get(key, Any))]
        if problems:
            raise UserError("\n".join(problems))
        return Tuning(**content)
    except OSError as error:
        raise UserError(f"--space: {str(path)!r} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, TypeError) as error:
        raise UserError(f"--space: {str(path)!r} must hold space, objectives, seeds and pruning, as YAML") from error


def _composed(configs: Path, search_path: Sequence[Path], overrides: Sequence[str], folder: Path) -> DictConfig:
    own = [f"run_dir={quoted(str(folder))}", "test=false"]
    return compose_as_train(configs, [*overrides, *own], search_path)


def _trial(
    trial: optuna.Trial, tuning: Tuning, compose: Compose, overrides: Sequence[str], folder: Path
) -> list[float]:
    """Run a trial's seeds and return the means of its objectives."""
    values = as_overrides(tuning.suggest(trial))
    results: list[list[float]] = []
    for index, seed in enumerate(tuning.seeds):
        run_folder = folder / f"trial={trial.number},seed={seed}"
        config = compose([*overrides, *values, f"seed={seed}"], run_folder)
        callbacks = []
        if tuning.prunes:
            first_step = index * _MOST_EPOCHS
            monitor = config.monitor  # a run whose tasks are of several kinds goes by another mean
            warmup = tuning.pruning["warmup_epochs"]
            callbacks.append(Pruning(trial, partial(monitor.get, "metric"), first_step, warmup))
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
