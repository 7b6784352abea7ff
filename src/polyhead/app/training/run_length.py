"""Run length: how long training lasts, by the configuration and the number of sentences."""

from omegaconf import DictConfig

from polyhead.app.config.builder import build, plain
from polyhead.app.config.trainer_check import batches_per_epoch
from polyhead.data.samplers import LoaderSettings
from polyhead.errors import UserError
from polyhead.sources.base import Source
from polyhead.training.auto_epochs import AUTO, AutoEpochs, TrainingLength


def find_length(config: DictConfig, source: Source, loader: LoaderSettings) -> TrainingLength:
    """Find the length of a run.

    Args:
        config: of the run; runs made before version 0.2 have no ``auto_epochs``, and need none.
        source: of the sentences, whose labels are known.
        loader: sizes of batches.

    Raises:
        UserError: ``auto_epochs`` has problems, or is needed and missing.
    """
    trainer = plain(config.trainer)
    for name in ("max_epochs", "check_val_every_n_epoch"):
        value = trainer.get(name)
        if isinstance(value, str) and value != AUTO:
            raise UserError(f"trainer.{name}: {value!r} given; it must be a whole number, or auto")
    if not config.get("auto_epochs"):
        if trainer.get("max_epochs") == AUTO:
            raise UserError("auto_epochs: missing, and trainer.max_epochs=auto needs it; give a number of epochs")
        every = trainer.get("check_val_every_n_epoch", 1)
        return TrainingLength(trainer.get("max_epochs"), 1 if every == AUTO else every)
    auto: AutoEpochs = build(config.auto_epochs, "auto_epochs", AutoEpochs)
    return auto.length(trainer, batches_per_epoch(trainer, source.size("train"), loader))
