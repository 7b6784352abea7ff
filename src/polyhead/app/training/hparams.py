"""Hparams: the choices that distinguish a run from others, and the metrics by which they are compared."""

from math import nan
from typing import Any

from omegaconf import DictConfig, OmegaConf

from polyhead.app.config.invocation import Invocation
from polyhead.app.training.composition import MAIN_CHOICES
from polyhead.errors import UserError
from polyhead.runs.contents import RunMetrics
from polyhead.runs.record import SCORE
from polyhead.tasks import KINDS
from polyhead.training.metrics import scalars

_COUNTS = ("pairs", "sentences")  # of health


def hparams(config: DictConfig, invocation: Invocation) -> dict[str, Any]:
    """List the choices that distinguish a run: the main groups, the seed, and the overrides of the command line.

    TensorBoard's table of hyperparameters shows its first few columns only; the whole configuration is in the run.
    """
    options = invocation.choices
    known = [group for group in MAIN_CHOICES if group in options]
    values: dict[str, Any] = {group: options[group] for group in known} | {"seed": config.seed}
    for override in invocation.overrides:
        key, _, text = override.lstrip("+~").partition("=")
        value = OmegaConf.select(config, key)
        values.setdefault(key, value if isinstance(value, str | int | float | bool) else text)
    return values


def final_metrics(metrics: RunMetrics) -> dict[str, float]:
    """Return the final metrics by which runs are compared: the scores that tables show, by split and task."""
    measured: dict[str, float] = {}
    for split, results in {"validation": metrics.validation, **metrics.test_sets}.items():
        measured |= scalars(split, results)
    shown = {SCORE, *(name for kind in KINDS.values() for name in kind.scores)}
    return {name: value for name, value in measured.items() if name.rpartition("/")[2] in shown}


def health_metrics(metrics: RunMetrics) -> dict[str, float]:
    """Return the measures of the embedding, under the names that charts have."""
    return {f"embedding/{name}": value for name, value in metrics.health.items() if name not in _COUNTS}


def monitored_value(metrics: RunMetrics) -> float:
    """Return the validation value of the monitored metric; no number where there is no validation.

    Raises:
        UserError: the metric was not measured.
    """
    name = metrics.monitor["metric"]
    value = metrics.monitor["value"]
    if value is None and not metrics.validation:
        return nan
    if value is None:
        measured = sorted(scalars("validation", metrics.validation))
        raise UserError(f"monitor.metric: no {name!r} was measured; valid: {', '.join(measured)}")
    return value
