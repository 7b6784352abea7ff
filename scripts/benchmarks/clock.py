"""A callback that ends the process after the first optimizer step: what came before is the startup."""

import os
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class StopAfterFirstStep(Callback):
    """Ends the process after the first training batch, without output and without cleaning up."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the process."""
        os._exit(0)
