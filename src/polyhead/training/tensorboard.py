"""Dashboards: what TensorBoard shows of a run as a whole: choices, outcome, plan, and how its charts are laid out."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams


def log_plan(trainer: L.Trainer, markdown: str) -> None:
    """Show the plan of freezing, a table in Markdown, among the texts."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            logger.experiment.add_text("freezing plan", markdown)


def log_choices(trainer: L.Trainer, choices: Mapping[str, Any]) -> None:
    """Hand a run's choices to its loggers before training."""
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(choices))


def log_outcome(trainer: L.Trainer, choices: Mapping[str, Any], outcome: Mapping[str, float]) -> None:
    """Write a run's choices with its final metrics, which TensorBoard's HPARAMS tab lists run by run.

    They lie in a folder of their own and announce no columns: TensorBoard then gathers the columns from all runs, where
    it would otherwise take those of whichever run came first, and lists no other scalar as a metric. Their names begin
    with ``final/``, so that no point of theirs lies among the curves.
    """
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            with SummaryWriter(Path(logger.log_dir) / "outcome") as writer:
                final = {f"final/{name}": value for name, value in outcome.items()}
                _, started, ended = hparams(dict(choices), final)  # type: ignore[no-untyped-call]
                for summary in (started, ended):
                    writer.file_writer.add_summary(summary)
                for name, value in final.items():
                    writer.add_scalar(name, value, trainer.global_step)


def log_layout(trainer: L.Trainer, tasks: Sequence[str]) -> None:
    """Lay out the CUSTOM SCALARS tab: each chart puts the tasks side by side."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            logger.experiment.add_custom_scalars(layout(tasks))


def layout(tasks: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return the charts by category: a title, and the scalars that its lines are, as expressions."""

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
