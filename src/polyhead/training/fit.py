"""Fit: train, restore the best weights, test once. Knows nothing about configurations or files of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch

from polyhead.data.datamodule import SentenceData
from polyhead.errors import UserError
from polyhead.freezing.plans import count_parameters
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.checkpoint_io import SafeCheckpointIO
from polyhead.training.checkpoints import load_checkpoint
from polyhead.training.metrics import Results
from polyhead.training.module import MultiTaskTraining


@dataclass(frozen=True)
class FitResult:
    """The metrics of a run's chosen weights, and how they came about.

    Args:
        validation: metrics of the weights that were chosen.
        test: metrics of the same weights, computed once; empty where the test set was left alone.
        extra_test_sets: the same for each further test set, by its name.
        epochs: how many were trained.
        best_epoch: the one whose weights were chosen, from 0; None where nothing was trained.
    """

    validation: Results
    test: Results
    extra_test_sets: dict[str, Results]
    epochs: int
    best_epoch: int | None


def fit_and_test(
    module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer, resume: Path | None, test: bool = True
) -> FitResult:
    """Train, restore the best weights by validation, and test them.

    Where nothing can be trained (``freeze=all``) the network is evaluated as it is.

    Args:
        module: the module to train.
        data: its sentences.
        trainer: with a :class:`BestCheckpoint` among its callbacks; without one the last weights count.
        resume: a checkpoint from which training continues, with optimizer, schedule and batch order as they were.
        test: False leaves the test sets alone.

    Raises:
        UserError: ``resume`` does not fit this run.
    """
    trainer.strategy.checkpoint_io = SafeCheckpointIO()  # Lightning's own loses checkpoints to kills and full disks
    best_epoch: int | None = None
    trained, _ = count_parameters(module.model)
    if trained:
        module.loss.set_class_weights(data.split("train").labels)
        _fit(module, data, trainer, resume)
        best_epoch = _restore_best(module, trainer)
        module.enter(best_epoch)
        data.refresh_activations()  # the frozen parts by now need not be those of the start
    if module.results.get("validation") is None:
        trainer.validate(module, data, verbose=False)
        if best_epoch is None:
            _save_best(trainer)
    tested = {}
    for name in data.source.test_sets if test else ():
        with module.evaluating(name):
            trainer.test(module, data.evaluation_loader(name), verbose=False)
        tested[name] = module.results[name]
    return FitResult(
        validation=module.results["validation"],
        test=tested.pop("test", {}),
        extra_test_sets=tested,
        epochs=trainer.current_epoch,
        best_epoch=best_epoch,
    )


def _fit(module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer, resume: Path | None) -> None:
    if resume is not None:
        checkpoint = load_checkpoint(resume)
        _check_fits(module, checkpoint, resume)
        # Before data load and processes join: both depend on what is frozen.
        if module.enter(_next_epoch(checkpoint["loops"]["fit_loop"])):
            data.refresh_activations()
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)


def _next_epoch(progress: dict[str, Any]) -> int:
    """Return the epoch in which training continues: the last one begun, or the next if that had its last batch."""
    begun = int(progress["epoch_progress"]["current"]["ready"])
    complete = progress["epoch_loop.batch_progress"]["is_last_batch"]
    return begun if complete else begun - 1


def _check_fits(module: MultiTaskTraining, checkpoint: dict[str, Any], path: Path) -> None:
    ours = _shapes(module.state_dict())
    theirs = _shapes(checkpoint.get("state_dict", {}))
    if ours != theirs or not checkpoint.get("optimizer_states"):
        raise UserError(
            f"resume: {str(path)!r} does not hold the encoder, heads and optimizer of this configuration; resume with "
            "the last.ckpt and the choices of one run"
        )


def _shapes(state: Mapping[str, Any]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items() if isinstance(value, torch.Tensor)}


def _best(trainer: L.Trainer) -> BestCheckpoint | None:
    return next((callback for callback in trainer.checkpoint_callbacks if isinstance(callback, BestCheckpoint)), None)


def _save_best(trainer: L.Trainer) -> None:
    """Write the weights of an untrained model as the best, for export and encode."""
    best = _best(trainer)
    if best is not None and best.dirpath:
        trainer.save_checkpoint(Path(best.dirpath) / f"{best.filename}.ckpt", weights_only=True)


def _restore_best(module: MultiTaskTraining, trainer: L.Trainer) -> int:
    best = _best(trainer)
    if best is None or not best.best_model_path:
        return trainer.current_epoch - 1
    trainer.strategy.barrier()
    checkpoint = load_checkpoint(Path(best.best_model_path))
    module.load_state_dict(checkpoint["state_dict"])
    module.results["validation"] = checkpoint["results"]["validation"]
    return int(checkpoint["epoch"])
