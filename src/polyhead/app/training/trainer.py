"""Trainer: Lightning's Trainer of a run, with the configured callbacks and loggers.

Imports Lightning last, so that a mistake in the rest is reported without waiting for it.
"""

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from polyhead.app.config.builder import build, plain
from polyhead.app.config.callback_check import best_problems, file_problems, logger_problems
from polyhead.app.config.literals import literal
from polyhead.app.config.sections import logger_nodes
from polyhead.errors import UserError, collect_errors
from polyhead.hardware import device_type
from polyhead.processes import torchrun_spread
from polyhead.training.auto_epochs import AUTO, TrainingLength

if TYPE_CHECKING:
    import lightning as L


def compose_trainer(
    config: DictConfig, precision: str, length: TrainingLength, callbacks: list["L.Callback"]
) -> "L.Trainer":
    """Build Lightning's Trainer with the configured callbacks and logger.

    Args:
        config: of the run.
        precision: as Lightning names it.
        length: of training.
        callbacks: besides the configured ones.

    Raises:
        UserError: Lightning refuses the values, one problem a line.
    """
    from lightning import Callback, Trainer
    from lightning.pytorch.loggers import Logger

    unfit = list(logger_problems(config.logger))
    problems = [*file_problems(config), *best_problems(config), *unfit]
    configured: list[L.Callback] = []
    for name, node in (config.callbacks or {}).items():
        with collect_errors(problems):
            configured.append(build(node, f"callbacks.{name}", Callback))
    loggers: list[Logger] = []
    for key, node in () if unfit else logger_nodes(config.logger).items():  # one may try for minutes
        with collect_errors(problems):
            loggers.append(build(node, key, Logger))
    if problems:
        raise UserError("\n".join(problems))
    if not loggers:  # Lightning refuses to watch rates that nobody would see
        from lightning.pytorch.callbacks import LearningRateMonitor

        configured = [callback for callback in configured if not isinstance(callback, LearningRateMonitor)]
    arguments = {**plain(config.trainer), **_spread(config.trainer), "precision": precision, **vars(length)}
    objects: dict[str, Any] = {"callbacks": [*configured, *callbacks], "logger": loggers or False}
    if arguments["strategy"] == "fsdp":
        from polyhead.training.sharding import ShardedStrategy

        objects["strategy"] = ShardedStrategy()
        del arguments["strategy"]
    if torchrun_spread() is not None:
        from polyhead.training.elastic import join_again

        join_again("gloo" if device_type(config.trainer.accelerator) == "cpu" else "nccl")
    node = OmegaConf.create(literal(arguments))
    trainer: L.Trainer = build(node, "trainer", Trainer, **objects)
    return trainer


def _spread(trainer: DictConfig) -> dict[str, int]:
    """Return on how many nodes and devices training runs, where torchrun says so; else one node where none is given."""
    spread = torchrun_spread()
    if spread is not None:
        return {"num_nodes": spread.nodes, "devices": spread.devices}
    return {"num_nodes": 1} if trainer.get("num_nodes", AUTO) == AUTO else {}
