"""Epochs: whether training, or a checkpoint of it, ended within one. Knows nothing about what is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L

from polyhead.errors import UserError


def epoch_is_complete(trainer: L.Trainer) -> bool:
    """Return whether the last batch of the epoch has been trained on; ``max_steps`` may end training before that."""
    return bool(trainer.fit_loop.epoch_loop.batch_progress.is_last_batch)


def steps_per_epoch(trainer: L.Trainer) -> int:
    """Return the optimizer steps of an epoch."""
    return -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)  # rounded up


def within_epoch(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint was written before the last batch of its epoch was trained on."""
    progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_loop.batch_progress", {})
    return not progress.get("is_last_batch", True)


def next_epoch(checkpoint: Mapping[str, Any]) -> int:
    """Return the epoch in which training continues: the last one begun, or the next if that had its last batch."""
    begun = int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"])
    return begun - 1 if within_epoch(checkpoint) else begun


def check_resumable(checkpoint: Mapping[str, Any], path: Path, max_epochs: int | None) -> None:
    """Check that training can continue from a checkpoint.

    Args:
        checkpoint: read from ``path``.
        path: of the checkpoint.
        max_epochs: the epochs that training shall have; None or -1 sets no limit.

    Raises:
        UserError: it holds weights alone, or more epochs.
    """
    if not checkpoint.get("optimizer_states") or "loops" not in checkpoint:
        raise UserError(f"resume: {str(path)!r} does not hold the state of training; give a last.ckpt")
    if max_epochs is not None and 0 <= max_epochs < next_epoch(checkpoint):
        raise UserError(
            f"trainer.max_epochs: {max_epochs} given; {str(path)!r} was written in epoch {next_epoch(checkpoint)}, so "
            "it must be that or more"
        )


def reopen_epoch(checkpoint: dict[str, Any]) -> None:
    """Let training continue within the epoch in which it ended, by ``max_steps`` or a limit of time.

    Lightning calls the hooks for the end of an epoch wherever training ends, and a checkpoint that is written there
    counts the epoch as done. It becomes what it would be if it had been written after the last batch that was trained
    on; others stay as they are.
    """
    loop = checkpoint["loops"]["fit_loop"]
    epochs, batches = loop["epoch_progress"], loop["epoch_loop.batch_progress"]
    counts_as_done = epochs["current"]["processed"] == epochs["current"]["started"]
    if not (counts_as_done and within_epoch(checkpoint)):
        return
    for progress in (epochs["current"], epochs["total"]):
        progress["processed"] -= 1
        progress["completed"] = min(progress["completed"], progress["processed"])
    for progress in (batches["current"], batches["total"]):
        progress["completed"] = progress["processed"] - 1
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1


def continue_from_here(trainer: L.Trainer, in_stages: bool) -> None:
    """Have all that training goes by agree with the epochs that are over, as a fit begins or continues.

    Args:
        trainer: of the fit.
        in_stages: whether something else is trained from some epoch on.

    Raises:
        UserError: steps end training, and the epochs that are over had more or fewer than those to come, so that the
            schedule of learning rates would enter a stage at another epoch than the model does.
    """
    _count_whole_epoch(trainer)
    _place_schedule(trainer, in_stages)


def _count_whole_epoch(trainer: L.Trainer) -> None:
    """Count an epoch that a checkpoint says is over as over, also where it would have more batches now.

    Lightning compares the batches that were trained on with those that an epoch has by now: under smaller batches, or
    with fewer processes, it would train on the rest in the place of the next epoch.
    """
    progress = trainer.fit_loop.epoch_loop.batch_progress
    if not progress.is_last_batch or not progress.current.ready:
        return
    more = int(trainer.num_training_batches) - progress.current.ready
    for count in ("ready", "started", "processed", "completed"):
        setattr(progress.current, count, getattr(progress.current, count) + more)


def _place_schedule(trainer: L.Trainer, in_stages: bool) -> None:
    """Have learning rates stand as far before their end as training does.

    A checkpoint has the number of steps so far, by which a schedule of fewer steps would be over; and the rates of a
    schedule that may have had another end.
    """
    schedule: Any = trainer.lr_scheduler_configs[0].scheduler
    progress = trainer.fit_loop.epoch_loop.batch_progress
    if progress.is_last_batch or not progress.current.ready:  # between two epochs
        every = steps_per_epoch(trainer)
        schedule.last_epoch = int(trainer.estimated_stepping_batches) - _steps_to_come(trainer, every)
        if in_stages and schedule.last_epoch != trainer.current_epoch * every:
            raise UserError(
                f"trainer.max_steps: {trainer.max_steps} given, and the freezing plan goes by epochs, of which the "
                f"{trainer.current_epoch} so far had {trainer.global_step} steps and would have {every} each by now; "
                "resume with the batches that they had, or set trainer.max_steps=-1 and trainer.max_epochs"
            )
    rates = [
        rate * factor(schedule.last_epoch) for rate, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    ]
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    schedule._last_lr = rates


def _steps_to_come(trainer: L.Trainer, every: int) -> int:
    """Return the steps until training ends, by epochs of ``every`` steps or by ``max_steps``."""
    limits = []
    if trainer.max_epochs is not None and trainer.max_epochs != -1:
        limits.append((trainer.max_epochs - trainer.current_epoch) * every)
    if trainer.max_steps != -1:
        limits.append(trainer.max_steps - trainer.global_step)
    return min(limits)
