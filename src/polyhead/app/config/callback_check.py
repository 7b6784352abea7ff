"""The check of monitors, callbacks and loggers: metrics that nobody measures, files outside of their folders."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from omegaconf import DictConfig

from polyhead.app.config.sections import logger_nodes
from polyhead.errors import did_you_mean, parameter_problems
from polyhead.tasks import Task
from polyhead.training.metric_names import training_metrics, validation_metrics

_KEYS = ("metric", "mode")
_MODES = ("max", "min")
_FILE_NAMES = ("filename", "name", "version", "sub_dir")
_FOLDERS = ("dirpath", "folder", "path", "save_dir", "default_root_dir")
_AT_EPOCH_END = ("check_on_train_epoch_end", "save_on_train_epoch_end")
"""Arguments by which a callback looks at a metric when an epoch's training ends, not after its validation."""

_TENSORBOARD = ("save_dir", "name", "version", "log_graph", "default_hp_metric", "prefix", "sub_dir")
_TENSORBOARD_WRITER = ("comment", "purge_step", "max_queue", "flush_secs", "filename_suffix")
_DATABASE = "sqlite:///"
_BEST = "checkpoints/best.ckpt"
_COUNTS = ("patience", "refresh_rate", "every_n_epochs", "every_n_train_steps")


def monitor_problems(monitor: DictConfig, callbacks: DictConfig, tasks: Sequence[Task]) -> Iterator[str]:
    """Yield a line for each metric that a run goes by and that is not measured, and for each unknown mode.

    Args:
        monitor: that section of the configuration.
        callbacks: that section of the configuration.
        tasks: whose metrics are measured.
    """
    measured = validation_metrics(tasks)
    for name in map(str, monitor):
        if name not in _KEYS:
            yield f"monitor.{name}: no such key; {did_you_mean(name, _KEYS)}"
    if monitor.metric not in measured:
        yield f"monitor.metric: {monitor.metric!r} is not measured; {did_you_mean(monitor.metric, measured)}"
    if monitor.mode not in _MODES:
        yield f"monitor.mode: unknown {monitor.mode!r}; {did_you_mean(monitor.mode, _MODES)}"
    for name in map(str, callbacks):
        if isinstance(callbacks[name], DictConfig):
            yield from _callback_problems(f"callbacks.{name}", callbacks[name], monitor, tasks)


def _callback_problems(key: str, node: DictConfig, monitor: DictConfig, tasks: Sequence[Task]) -> Iterator[str]:
    metric = node.get("monitor")
    measured = [*validation_metrics(tasks), *_logged_in_training(node, tasks)]
    if metric is not None and metric not in (monitor.metric, *measured):  # that of the run has its own line
        yield f"{key}.monitor: {metric!r} is not measured; {did_you_mean(metric, measured)}"
    for name in _COUNTS:
        value = node.get(name)
        if isinstance(value, int):
            for problem in parameter_problems((name, value, value >= 0, "0 or more")):
                yield f"{key}.{problem}"


def _logged_in_training(node: DictConfig, tasks: Sequence[Task]) -> list[str]:
    """Return the training metrics that a callback finds when it looks: all at an epoch's end, else the losses."""
    names = training_metrics(tasks)
    if any(node.get(argument) for argument in _AT_EPOCH_END):
        return names
    return [name for name in names if name.endswith("/loss")]


def file_problems(config: DictConfig) -> Iterator[str]:
    """Yield a line for each name of a file that callbacks and loggers would write outside of their folders."""
    nodes: dict[str, Any] = {f"callbacks.{name}": config.callbacks[name] for name in map(str, config.callbacks or ())}
    for key, node in {**nodes, **logger_nodes(config.logger), "trainer": config.trainer}.items():
        for name in _FILE_NAMES if isinstance(node, DictConfig) else ():
            value = node.get(name)
            if isinstance(value, str) and _leads_out(value):
                yield f"{key}.{name}: {value!r} given; it must be a name inside the folder that the run writes to"
        for name in _FOLDERS if isinstance(node, DictConfig) else ():
            if node.get(name) is not None and not str(node[name]).strip():
                yield f"{key}.{name}: {node[name]!r} given; it must be the name of a folder"


def best_problems(config: DictConfig) -> Iterator[str]:
    """Yield a line where the best weights would not lie where every other command reads them."""
    nodes = {name: config.callbacks[name] for name in map(str, config.callbacks or ())}
    for name, node in nodes.items():
        if not isinstance(node, DictConfig) or not str(node.get("_target_")).endswith(".BestCheckpoint"):
            continue
        path = Path(str(node.get("dirpath"))) / f"{node.get('filename')}.ckpt"
        if path != Path(str(config.run_dir)) / _BEST:
            yield (
                f"callbacks.{name}: the best weights would be {str(path)!r}; the other commands read {_BEST} of "
                "a run: leave dirpath and filename as they are"
            )


def logger_problems(loggers: DictConfig | None) -> Iterator[str]:
    """Yield a line for each argument that a logger takes, and fails by in the middle of a run."""
    for key, node in logger_nodes(loggers).items():
        if isinstance(node, DictConfig):
            yield from _logger_problems(key, node)


def _logger_problems(key: str, logger: DictConfig) -> Iterator[str]:
    interval = logger.get("flush_logs_every_n_steps", 1)
    if isinstance(interval, int):
        problems = parameter_problems(("flush_logs_every_n_steps", interval, interval >= 1, "1 or more"))
        yield from (f"{key}.{problem}" for problem in problems)
    uri = logger.get("tracking_uri")
    if isinstance(uri, str) and uri.startswith(_DATABASE) and not _can_be_written(Path(uri.removeprefix(_DATABASE))):
        # MLflow would try for two minutes, and print as many lines.
        yield f"{key}.tracking_uri: {uri!r} cannot be written; name a file in a folder that you may write into"
    if not str(logger.get("_target_")).endswith(".TensorBoardLogger"):
        return
    valid = [*_TENSORBOARD, *_TENSORBOARD_WRITER]
    for name in map(str, logger):
        if not name.startswith("_") and name not in valid:
            yield f"{key}.{name}: TensorBoardLogger has no such argument; {did_you_mean(name, valid)}"


def _can_be_written(path: Path) -> bool:
    """Return whether a file can be written; MLflow makes the folders around it."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    return os.access(there, os.W_OK) and (there == path or there.is_dir())


def _leads_out(name: str) -> bool:
    path = PurePath(name)
    return path.is_absolute() or ".." in path.parts
