"""Monitor choice: which mean a run goes by where its tasks are of several kinds. Knows nothing about callbacks."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from polyhead.tasks import Task, overall

log = logging.getLogger(__name__)

_CLASSES_ALONE = "validation/macro_f1"  # what a run goes by where nothing else is said
_OF_KINDS = "validation/score"  # and where not every task has macro-F1 for its headline


def choose_monitor(config: DictConfig, tasks: Sequence[Task]) -> None:
    """Let a run go by the mean headline score where not every task has macro-F1 for one, and say so."""
    mean = f"validation/{overall(task.kind for task in tasks)}"
    if config.monitor.get("metric") == _CLASSES_ALONE and mean != _CLASSES_ALONE:
        config.monitor.metric = mean
        headlines = ", ".join(f"{task.kind.headline} of {task.name}" for task in tasks)
        log.info("monitor: the best weights go by %s, the mean of %s", mean, headlines)


def follow_monitor(config: DictConfig, noted: Mapping[str, Any]) -> None:
    """Let a run go by what another of the same configuration chose, as :func:`choose_monitor` would for its tasks.

    Args:
        config: of the run.
        noted: the configuration that the other has written.
    """
    monitor = noted.get("monitor")
    chose_mean = isinstance(monitor, Mapping) and monitor.get("metric") == _OF_KINDS
    if chose_mean and config.monitor.get("metric") == _CLASSES_ALONE:
        config.monitor.metric = _OF_KINDS
