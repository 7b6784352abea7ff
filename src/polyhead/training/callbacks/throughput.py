"""Throughput: how long training took and how many sentences it saw. Knows nothing about what is done with that."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class Throughput(Callback):
    """Measures the training epochs of all processes together, validation and checkpoints left out.

    Attributes:
        seconds: spent in training steps, fetching their batches included.
        sentences: seen in them; a sentence counts once per epoch.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sentences = 0
        self._started: float | None = None

    @property
    def sentences_per_second(self) -> float | None:
        """The rate, None before any training."""
        return self.sentences / self.seconds if self.seconds else None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._start()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Restart the clock after a validation within the epoch."""
        self._start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        self.sentences += len(batch) * trainer.world_size

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock: Lightning validates inside the training epoch."""
        self._stop()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock."""
        self._stop()

    def _start(self) -> None:
        if self._started is None:
            self._started = time.perf_counter()

    def _stop(self) -> None:
        if self._started is not None:
            self.seconds += time.perf_counter() - self._started
            self._started = None
