"""Hparams: the choices that distinguish a run from others, and the metrics by which they are compared."""

from math import nan
from typing import Any

from omegaconf import DictConfig, OmegaConf

from polyhead.app.composition import MAIN_CHOICES
from polyhead.app.hydra_state import chosen_options, task_overrides
from polyhead.errors import UserError
from polyhead.runs.contents import RunMetrics
from polyhead.training.metrics import scalars

_COUNTS = ("pairs", "sentences")  # of health


def hydra_choices() -> dict[str, Any]:
    """Return the option that the run took in each group, and the overrides that make it again."""
    return {"choices": chosen_options(), "overrides": task_overrides()}


def hparams(config: DictConfig) -> dict[str, Any]:
    """List the choices that distinguish a run: the main groups, the seed, and the overrides of the command line.

    TensorBoard's table of hyperparameters shows its first few columns only; the whole configuration is in the run.
    """
    options = chosen_options()
    values: dict[str, Any] = {group: options[group] for group in MAIN_CHOICES} | {"seed": config.seed}
    for override in task_overrides():
        key, _, text = override.lstrip("+~").partition("=")
        value = OmegaConf.select(config, key)
        values.setdefault(key, value if isinstance(value, str | int | float | bool) else text)
    return values


def final_metrics(metrics: RunMetrics) -> dict[str, float]:
    """Return the final metrics by which runs are compared: macro-F1 and accuracy by split and task."""
    measured: dict[str, float] = {}
    for split, results in {"validation": metrics.validation, **metrics.test_sets}.items():
        measured |= scalars(split, results)
    return {name: value for name, value in measured.items() if name.endswith(("/macro_f1", "/accuracy"))}


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
