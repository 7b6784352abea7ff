"""Auto epochs: how many epochs a run has, and how often it validates, where that is left open."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyhead.errors import check_parameters

AUTO = "auto"
_VALIDATIONS = 10  # of a run that has many epochs of few steps


@dataclass(frozen=True)
class TrainingLength:
    """Two arguments of Lightning's Trainer, which decide how long training lasts.

    Args:
        max_epochs: the last epoch; -1 where ``max_steps`` ends training.
        check_val_every_n_epoch: epochs from one validation to the next.
    """

    max_epochs: int | None
    check_val_every_n_epoch: int | None


@dataclass(frozen=True)
class AutoEpochs:
    """What ``trainer.max_epochs=auto`` comes to: a number of epochs, and more where those would be few steps.

    A few dozen sentences are an epoch of one or two optimizer steps, of which three epochs change next to nothing.

    Args:
        epochs: at least.
        min_steps: optimizer steps, at least, which small data reach by more epochs.

    Raises:
        ParameterError: one of them is below 1.

    >>> AutoEpochs(epochs=3, min_steps=100).length({"max_epochs": "auto"}, batches=9)
    TrainingLength(max_epochs=12, check_val_every_n_epoch=1)
    """

    epochs: int = 3
    min_steps: int = 100

    def __post_init__(self) -> None:
        check_parameters(
            ("epochs", self.epochs, self.epochs >= 1, "1 or more"),
            ("min_steps", self.min_steps, self.min_steps >= 1, "1 or more"),
        )

    def length(self, trainer: Mapping[str, Any], batches: int | None) -> TrainingLength:
        """Return the length of a run, with what is ``auto`` filled in.

        With ``max_steps`` training ends there. Of many epochs about ten are validated, the last one among them.

        Args:
            trainer: arguments of ``lightning.Trainer`` as configured.
            batches: of an epoch and process; None where that is not known, and ``epochs`` are taken.
        """
        epochs, every = trainer.get("max_epochs"), trainer.get("check_val_every_n_epoch", 1)
        if epochs != AUTO:
            return TrainingLength(epochs, 1 if every == AUTO else every)
        if trainer.get("max_steps", -1) not in (None, -1):
            return TrainingLength(-1, 1 if every == AUTO else every)
        epochs = self.epochs
        if batches:
            accumulated = trainer.get("accumulate_grad_batches", 1)  # of a wrong type, it is refused with the Trainer
            steps = math.ceil(batches / accumulated) if isinstance(accumulated, int) and accumulated > 0 else batches
            epochs = max(epochs, math.ceil(self.min_steps / steps))
        if every == AUTO:
            every = max(1, epochs // _VALIDATIONS)
            epochs = every * math.ceil(epochs / every)
        return TrainingLength(epochs, every)
