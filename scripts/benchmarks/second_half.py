"""The rate of the second half of training, in which nothing is compiled or warmed up any more."""

import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from transformers import TrainerCallback

SECOND_HALF = "2nd half, sentences/s"


class SecondHalf:
    """The seconds from the middle of training to its end, without what a first step takes: compiling, warming up."""

    def __init__(self) -> None:
        self.times: dict[int, float] = {}

    def look(self, step: int, steps: int) -> None:
        """Note the time if ``step`` of ``steps`` is the middle one or the last; a GPU finishes before."""
        if step in (steps // 2, steps):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.times.setdefault(step, time.perf_counter())

    def figures(self, sentences_per_step: int) -> dict[str, float]:
        """Return the rate as a figure, or none where training had one step."""
        if len(self.times) < 2:
            return {}
        (middle, started), (last, ended) = sorted(self.times.items())
        return {SECOND_HALF: (last - middle) * sentences_per_step / (ended - started)}


class LightningSecondHalf(SecondHalf, Callback):
    """The same, of Lightning's trainer."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the time."""
        self.look(trainer.global_step, int(trainer.estimated_stepping_batches))


class HuggingFaceSecondHalf(SecondHalf, TrainerCallback):
    """The same, of Hugging Face's trainer."""

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Look at the time."""
        self.look(state.global_step, state.max_steps)
