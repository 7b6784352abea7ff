"""Last weights: the checkpoint from which training resumes. Knows nothing about what is in it."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from polyhead.errors import check_parameters


class LastCheckpoint(ModelCheckpoint):
    """Writes a checkpoint at the end of each validated epoch, and every few minutes, each over the one before.

    One within an epoch waits for the end of an optimizer step, and for the batch after a validation: a run that
    resumes from it is the run that was never stopped.

    Args:
        dirpath: folder of the checkpoint.
        filename: its name, without the ending.
        every_minutes: time between two checkpoints within an epoch; 0 writes one after each step, None none.
        save_on_train_epoch_end: at the end of an epoch, after its validation.
        settings: further arguments of Lightning's ModelCheckpoint.

    Raises:
        ParameterError: minutes below 0.
    """

    def __init__(
        self,
        dirpath: str,
        filename: str = "last",
        every_minutes: float | None = 10.0,
        save_on_train_epoch_end: bool = True,
        **settings: Any,
    ) -> None:
        check_parameters(
            ("every_minutes", every_minutes, every_minutes is None or 0 <= every_minutes < float("inf"), "0 or more"),
        )
        super().__init__(
            dirpath,
            filename,
            save_on_train_epoch_end=save_on_train_epoch_end,
            **{"enable_version_counter": False, **settings},  # last.ckpt, and not last-v1.ckpt after a resumption
        )
        self.every_minutes = every_minutes
        self._written = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        super().on_train_start(trainer, pl_module)
        self._written = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a checkpoint, if it is time, and if a run can resume from here."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self.every_minutes is None or not can_resume_after(trainer, batch_idx) or not self._is_time(trainer):
            return
        trainer.save_checkpoint(self.format_checkpoint_name(self._monitor_candidates(trainer)))
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the checkpoint of the epoch; many short ones between two validations take less time than to write."""
        every = trainer.check_val_every_n_epoch or 1
        if (trainer.current_epoch + 1) % every and not trainer.should_stop and not self._is_time(trainer):
            return
        super().on_train_epoch_end(trainer, pl_module)
        self._written = time.monotonic()

    def _is_time(self, trainer: L.Trainer) -> bool:
        """Return whether the minutes are over, for all processes as the first one finds."""
        over = self.every_minutes is not None and time.monotonic() - self._written >= 60 * self.every_minutes
        return bool(trainer.strategy.broadcast(over)) if trainer.world_size > 1 else over


def can_resume_after(trainer: L.Trainer, batch_idx: int) -> bool:
    """Return whether a checkpoint written at the end of a training batch holds all that the next one needs.

    After a batch that a validation follows, the checkpoint of that validation, or of the next batch, is the one to
    write.
    """
    done = batch_idx + 1
    counted = trainer.fit_loop.total_batch_idx + 1 if trainer.check_val_every_n_epoch is None else done
    validates = isinstance(trainer.val_check_batch, int) and counted % trainer.val_check_batch == 0
    return has_stepped(trainer, batch_idx) and not validates and done < trainer.num_training_batches


def has_stepped(trainer: L.Trainer, batch_idx: int) -> bool:
    """Return whether the optimizer stepped after a training batch; gradients that wait are in no checkpoint."""
    done = batch_idx + 1
    return done % trainer.accumulate_grad_batches == 0 or done >= trainer.num_training_batches
