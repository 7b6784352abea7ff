"""Compilation: whether a run trains long enough for compiled layers to pay."""

import logging

import lightning as L
from lightning.pytorch.callbacks import Callback

from polyhead.models.compiler import has_c_compiler
from polyhead.training.module import MultiTaskTraining
from polyhead.training.sharding import ShardedStrategy

log = logging.getLogger(__name__)

STEPS_THAT_PAY = 5000
"""Compiling took 14 seconds and saved 5 milliseconds a step of BERT-base on an H200 (docs/lab/speed.md)."""


class CompileLongTraining(Callback):
    """Compiles the encoder's layers at the start of training, where that pays: on a GPU, before many steps.

    On a processor compiled layers were never faster by as much as compiling takes (docs/lab/speed.md).
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compile the layers, or say why not."""
        assert isinstance(pl_module, MultiTaskTraining)
        reason = self._reason_against(trainer, pl_module)
        if reason is None:
            pl_module.model.encoder.compile_layers()
        log.info("compile=auto: %s", f"not compiled, {reason}" if reason else "layers are compiled in the first steps")

    def _reason_against(self, trainer: L.Trainer, module: MultiTaskTraining) -> str | None:
        steps = int(trainer.estimated_stepping_batches) - trainer.global_step
        if trainer.strategy.root_device.type != "cuda":
            return "that pays on a GPU alone"
        if isinstance(trainer.strategy, ShardedStrategy):
            return "the layers that fsdp spreads cannot be"
        if not any(parameter.requires_grad for parameter in module.model.encoder.layers.parameters()):
            return "no layer is trained"
        if steps < STEPS_THAT_PAY:
            return f"{steps:,} steps are to come, and it pays from {STEPS_THAT_PAY:,} on"
        if not has_c_compiler():
            return "there is no C compiler"
        return None
