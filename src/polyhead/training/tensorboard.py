"""TensorBoard: the parts that concern a run as a whole: hyperparameters, final metrics, layout of the charts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter, summary

from polyhead.training.loggers import log_summary, loggers_of


def log_hparams(trainer: L.Trainer, hparams: Mapping[str, Any]) -> None:
    """Give a run's hyperparameters to all of its loggers, before training."""
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(hparams))


def log_final_metrics(
    trainer: L.Trainer,
    hparams: Mapping[str, Any],
    final_metrics: Mapping[str, float],
    more: Mapping[str, float] | None = None,
) -> None:
    """Write a run's final metrics: on TensorBoard with its hyperparameters, which the HPARAMS tab lists run by run.

    They announce no columns: TensorBoard then gathers the columns from all runs, where it would otherwise take those of
    whichever run came first. It shows the first five scalars then, in alphabetical order, capitals first: hence the
    names, ``Final/...``. They lie in the run's own folder, since TensorBoard lists each folder as a run.

    Args:
        trainer: whose loggers they are.
        hparams: of the run.
        final_metrics: by name.
        more: values that are charted under their own names, and are no columns.
    """
    final = {f"Final/{name}": value for name, value in final_metrics.items()}
    charted = {**final, **(more or {})}
    log_summary(trainer, charted)
    for logger in loggers_of(trainer, TensorBoardLogger):
        _, started, ended = summary.hparams(dict(hparams), final)  # type: ignore[no-untyped-call]
        with SummaryWriter(logger.log_dir) as writer:
            writer.file_writer.add_summary(started)
            writer.file_writer.add_summary(ended)
            for name, value in charted.items():
                writer.add_scalar(name, value, trainer.global_step)


def log_layout(trainer: L.Trainer, tasks: Sequence[str]) -> None:
    """Lay out the CUSTOM SCALARS tab: each chart puts the tasks side by side."""
    for logger in loggers_of(trainer, TensorBoardLogger):
        logger.experiment.add_custom_scalars(layout(tasks))


def layout(tasks: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return the charts by category: for each a title, and regular expressions for the scalars that it draws."""

    def chart(pattern: str) -> list[Any]:
        return ["Multiline", [f"^{pattern.format(task=re.escape(task))}$" for task in tasks]]

    return {
        "Tasks side by side": {
            "macro-F1 on validation": chart("validation/{task}/macro_f1"),
            "macro-F1 on training batches": chart("train/{task}/macro_f1"),
            "loss on validation (nats)": chart("validation/{task}/loss"),
            "loss on training batches (nats)": chart("train/{task}/loss"),
            "weight": chart("weights/{task}"),
        },
        "Optimization": {
            "learning rate by group": ["Multiline", ["lr-.*"]],
            "gradient norm by module": ["Multiline", ["gradients/.*"]],
            "conflict of the tasks' gradients": ["Multiline", ["conflict/.*"]],
        },
    }
