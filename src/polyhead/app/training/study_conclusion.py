"""Study conclusion: what a study came to, in words, and the command that trains the best of it."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import optuna

from polyhead.app.config.old_names import new_overrides
from polyhead.app.terminal.command_names import as_called
from polyhead.app.terminal.override_writing import written
from polyhead.runs.tuning import Tuning, Values


def as_overrides(values: Values) -> list[str]:
    """Write values as overrides of train.py; a text stands for itself in their grammar.

    >>> as_overrides({"freeze": "none", "trainer.gradient_clip_val": None, "freeze.frozen": "[encoder]"})
    ['freeze=none', 'trainer.gradient_clip_val=null', 'freeze.frozen=[encoder]']
    """
    return [f"{key}={value if isinstance(value, str) else written(value, key)}" for key, value in values.items()]


def conclusion(
    study: optuna.Study, tuning: Tuning, overrides: Sequence[str], address: str, default: Values
) -> Iterator[str]:
    """Say what the study came to, line by line: the best trial, or the front of trade-offs, and how to train it."""
    best = [trial for trial in study.best_trials if trial.values is not None]
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.values is not None]
    states = [trial.state.name.lower() for trial in study.get_trials(deepcopy=False)]
    yield f"{len(states)} trials: " + ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    as_it_stands = next((trial for trial in finished if trial.params == default), None)
    if as_it_stands is not None:
        yield f"as it stands (trial {as_it_stands.number}): {_named(tuning, as_it_stands.values)}"
    if not best:
        yield "no trial has ended; look into the train.log of its run"
    for trial in best:
        yield f"best (trial {trial.number}): {_named(tuning, trial.values)}"
        choices = new_overrides([*overrides, *as_overrides(trial.params)])
        yield as_called(f"  python train.py -m {shlex.join(choices)} seed=0,1,2")
    if best:
        yield "The best of many on validation looks better than it is; the line above trains again and tests each run."
    yield f"look closer: optuna-dashboard {address}"


def _named(tuning: Tuning, values: Sequence[Any]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in zip(tuning.objectives, values, strict=True))
