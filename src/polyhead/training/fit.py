"""Fit: train, restore the best weights, test once. Knows nothing about configurations or files of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.errors import UserError
from polyhead.freezing.plans import count_parameters, never_trained
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.checkpoint_io import SafeCheckpointIO
from polyhead.training.checkpoints import load_checkpoint
from polyhead.training.epochs import check_resumable, next_epoch
from polyhead.training.interpolation import copy_weights, interpolate
from polyhead.training.metrics import Results
from polyhead.training.module import MultiTaskTraining
from polyhead.training.sharding import ShardedStrategy


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
    module: MultiTaskTraining,
    data: SentenceData,
    trainer: L.Trainer,
    resume: Path | None,
    test: bool = True,
    solve_heads: Callable[[bool], None] | None = None,
    again: bool = False,
    interpolation: float = 1.0,
) -> FitResult:
    """Train, restore the best weights by validation, and test them.

    Where nothing is trained by steps (``freeze=all``, or solved heads alone) the network is evaluated as it is.

    Args:
        module: the module to train.
        data: its sentences.
        trainer: with a :class:`BestCheckpoint` among its callbacks; without one the last weights count.
        resume: a checkpoint from which training continues, with optimizer, schedule and batch order as they were.
        test: False leaves the test sets alone.
        solve_heads: sets the heads at the start of training, when the loss has its class weights; not called then when
            training continues from a checkpoint. Its argument is whether this is the second time.
        again: call it at the end, too.
        interpolation: share of the way from the weights of the start to the best ones; see :func:`interpolate`.

    Raises:
        UserError: ``resume`` does not fit this run, or sentences have weights that the loss does not take.
    """
    trainer.strategy.checkpoint_io = SafeCheckpointIO()  # Lightning's own loses checkpoints to kills and full disks
    best_epoch: int | None = None
    trained, _ = count_parameters(module.model)
    if trained:
        _prepare_loss(module.loss, data.split("train"))
    if solve_heads and trained and (resume is None or interpolation < 1):  # a resumed run is to know where it began
        solve_heads(False)
    if module.takes_steps:
        frozen = never_trained(module.model, module.stages)
        start = copy_weights(module.model, frozen) if interpolation < 1 else {}
        _fit(module, data, trainer, resume)
        best_epoch = _restore_best(module, trainer)
        module.enter(best_epoch)
        data.refresh_activations()  # the frozen parts by now need not be those of the start
        if start:
            interpolate(module.model, start, interpolation)
        if again and solve_heads:
            solve_heads(True)
        if start or again:
            _measure_again(module, data, trainer)
    if not data.source.has("validation"):
        module.results["validation"] = {}
    elif module.results.get("validation") is None:
        trainer.validate(module, data, verbose=False)
    _save_best(module, trainer)
    tested = {}
    for name in data.source.test_sets if test else ():
        with module.evaluating(name):
            trainer.test(module, data.evaluation_loader(name), verbose=False)
        tested[name] = module.results[name]
    return FitResult(
        validation=module.results["validation"],
        test=tested.pop("test", {}),
        extra_test_sets=tested,
        epochs=trainer.fit_loop.epoch_progress.current.processed,  # type: ignore[attr-defined]
        best_epoch=best_epoch,
    )


def _fit(module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer, resume: Path | None) -> None:
    if resume is not None:
        checkpoint = load_checkpoint(resume)
        check_resumable(checkpoint, resume, trainer.max_epochs)
        _check_fits(module, checkpoint, resume)
        # Before data load and processes join: both depend on what is frozen.
        if module.enter(next_epoch(checkpoint)):
            data.refresh_activations()
        # With max_steps Lightning would end the last epoch once more, without the metrics that its hooks look at.
        trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    if resume is not None:
        _save_last(trainer)
    if isinstance(trainer.strategy, ShardedStrategy):
        trainer.strategy.gather()


def _measure_again(module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer) -> None:
    """Validate weights that were changed after training, and let the best checkpoint have them."""
    if data.source.has("validation"):
        trainer.validate(module, data, verbose=False)
    best = _best(trainer)
    if best is not None and best.best_model_path:
        trainer.save_checkpoint(best.best_model_path, weights_only=True)


def _prepare_loss(loss: MultiTaskLoss, train: TokenizedSplit) -> None:
    """Set the class weights, by the sentences that count, once it is clear that the loss can weigh sentences."""
    if train.weights is None:
        loss.set_class_weights(train.labels)
        return
    if "weights" not in signature(loss.forward).parameters:
        raise UserError(f"data.weight: {type(loss).__name__}.forward takes no weights; add them, or leave it out")
    counted = train.weights > 0
    loss.set_class_weights({task: labels[counted] for task, labels in train.labels.items()})


def _check_fits(module: MultiTaskTraining, checkpoint: dict[str, Any], path: Path) -> None:
    ours = _shapes(module.state_dict())
    theirs = _shapes(checkpoint.get("state_dict", {}))
    if ours != theirs:
        raise UserError(
            f"resume: {str(path)!r} does not hold the encoder and heads of this configuration; resume with the "
            "last.ckpt and the choices of one run"
        )


def _shapes(state: Mapping[str, Any]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items() if isinstance(value, torch.Tensor)}


def _best(trainer: L.Trainer) -> BestCheckpoint | None:
    return next((callback for callback in trainer.checkpoint_callbacks if isinstance(callback, BestCheckpoint)), None)


def _save_best(module: MultiTaskTraining, trainer: L.Trainer) -> None:
    """Write the weights as the best, where no epoch was validated, for export and encode."""
    best = _best(trainer)
    if best is not None and best.dirpath and not best.best_model_path:
        if trainer.model is None:  # nothing took steps, was validated or tested: the trainer has not seen the module
            trainer.strategy.connect(module)
        trainer.save_checkpoint(Path(best.dirpath) / f"{best.filename}.ckpt", weights_only=True)


def _save_last(trainer: L.Trainer) -> None:
    """Write the checkpoints that a run resumed after its last epoch has had no step to write."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, BestCheckpoint) or not isinstance(callback, ModelCheckpoint) or not callback.dirpath:
            continue
        path = Path(callback.dirpath) / f"{callback.filename}.ckpt"
        if not path.exists():
            trainer.save_checkpoint(path)


def _restore_best(module: MultiTaskTraining, trainer: L.Trainer) -> int:
    best = _best(trainer)
    if best is None or not best.best_model_path:
        return trainer.current_epoch - 1
    trainer.strategy.barrier()
    checkpoint = load_checkpoint(Path(best.best_model_path))
    module.load_state_dict(checkpoint["state_dict"])
    module.results["validation"] = checkpoint["results"]["validation"]
    return int(checkpoint["epoch"])
