"""Interruption: a run that is asked to stop writes a checkpoint first. Knows nothing about what is trained."""

import logging
import signal
import threading
from pathlib import Path
from typing import Any

import lightning as L

from polyhead.training.callbacks.last import has_stepped

log = logging.getLogger(__name__)


class SaveOnInterruption(L.Callback):
    """On Ctrl-C or SIGTERM finishes the optimizer step, writes a checkpoint to resume from, and ends the run.

    Lightning ends where Ctrl-C finds it, which may be half-way through an optimizer step, and the training since the
    last epoch is lost. A second Ctrl-C still does that. Nor is anything written where several processes train: each
    would be in another step, waiting for the others.

    Args:
        path: of the checkpoint.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._asked = False
        self._alone = False  # whether this is the only process
        self._handler: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen for Ctrl-C, which a run in a thread of its own never hears."""
        self._asked = False
        self._alone = trainer.world_size == 1
        if self._alone and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._ask)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write and end, if asked to."""
        if (self._asked or (self._alone and trainer.received_sigterm)) and has_stepped(trainer, batch_idx):
            trainer.save_checkpoint(self.path)
            self._end(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End, if asked to during validation: the checkpoint of the epoch has been written since."""
        if self._asked:
            self._end(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop listening; end, if asked to during the last validation."""
        self._stop_listening()
        if self._asked:
            self._end(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Stop listening."""
        self._stop_listening()

    def _ask(self, *_: Any) -> None:
        self._stop_listening()
        self._asked = True
        log.info("stopping after this step, or this validation; Ctrl-C again stops at once, and loses the epoch")

    def _end(self, trainer: L.Trainer) -> None:
        advice = "nothing was saved"
        if self.path.is_file():
            advice = f"continue by the same command with resume=auto in its folder, or by resume={self.path}"
        log.info("interrupted after step %d; %s", trainer.global_step, advice)
        raise KeyboardInterrupt

    def _stop_listening(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None
