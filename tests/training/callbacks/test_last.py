"""A run that was killed resumes from its last checkpoint, and is the run that was never stopped, bit for bit."""

import itertools
import random
from collections.abc import Mapping
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.training import make_data, make_module, make_trainer

from polyhead.errors import UserError
from polyhead.freezing import FreezeSpec, Gradual, LoRA, ProbeThenFineTune, UnfreezeSchedule
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.weighting import Aggregation, DynamicAverage, Famo, GradNorm, Uncertainty
from polyhead.training.callbacks import BestCheckpoint, LastCheckpoint, SaveOnInterruption
from polyhead.training.fit import fit_and_test

STEPS = 6  # of an epoch
EPOCHS = 3
FREEZES = {
    "none": lambda: FreezeSpec([]),
    "backbone": lambda: FreezeSpec(["encoder"]),
    "lower_layers": lambda: FreezeSpec(["encoder.embeddings", "encoder.layers[:2]"]),
    "gradual": lambda: Gradual(groups=2, epochs=1),
    "lp_ft": lambda: ProbeThenFineTune(probe_epochs=1, lr_scale=0.5),
    "schedule": lambda: UnfreezeSchedule(["encoder"], [{"epoch": 1, "parts": ["encoder.layers[-1:]"]}]),
    "lora": lambda: LoRA(rank=2, alpha=4, targets="all-linear", from_layer=0),
}
WEIGHTINGS = {
    "uncertainty": Uncertainty,
    "famo": partial(Famo, lr=0.025, weight_decay=1e-3),
    "dwa": partial(DynamicAverage, temperature=2.0),
    "gradnorm": partial(GradNorm, alpha=1.5, lr=0.025),
    "pcgrad": partial(Aggregation, aggregator="PCGrad", settings={}, level="embedding", gives_mean=False),
    "graddrop": partial(Aggregation, aggregator="GradDrop", settings={}, level="embedding", gives_mean=False),
}


class KilledError(Exception):
    pass


class Kill(Callback):
    """Ends the run where a kill would: at the end of a batch, or in the validation of an epoch."""

    def __init__(self, moment):
        self.moment = moment

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.moment:
            raise KilledError

    def on_validation_start(self, trainer, pl_module):
        if (trainer.current_epoch, STEPS) == self.moment:
            raise KilledError


class TrainingResults(Callback):
    def __init__(self):
        self.of_epochs = {}

    def on_validation_end(self, trainer, pl_module):
        self.of_epochs[f"validation {trainer.current_epoch}"] = dict(pl_module.results["validation"])

    def on_train_epoch_start(self, trainer, pl_module):
        self.note(trainer.current_epoch - 1, pl_module)

    def on_train_end(self, trainer, pl_module):
        self.note(EPOCHS - 1, pl_module)

    def note(self, epoch, pl_module):
        if "training" in pl_module.results:
            self.of_epochs[f"training {epoch}"] = dict(pl_module.results["training"])


def run(folder, make_encoder, tasks, freeze, weighting, moment=None, resume=None, minutes=0, **settings):
    torch.manual_seed(0)
    rule = WEIGHTINGS[weighting]([task.name for task in tasks])
    module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks, FREEZES[freeze](), rule)
    module.watch_conflict = True
    results = TrainingResults()
    callbacks = [
        BestCheckpoint(folder, "best", monitor="validation/macro_f1", mode="max", save_weights_only=True),
        LastCheckpoint(str(folder), every_minutes=minutes),
        results,
        *([Kill(moment)] if moment else []),
    ]
    trainer = make_trainer(folder, max_epochs=EPOCHS, enable_checkpointing=True, callbacks=callbacks, **settings)
    result = fit_and_test(module, make_data(tasks), trainer, resume)
    return module, result, results.of_epochs


def equal(one, other):
    """Compare states, which may hold states of their own, bit for bit."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def assert_same(whole, resumed):
    (module, result, results), (other, other_result, other_results) = whole, resumed
    assert result == other_result
    assert equal(module.state_dict(), other.state_dict())
    assert module.conflict.summary() == other.conflict.summary()
    assert len(other_results) >= 2
    assert {name: results[name] for name in other_results} == other_results


@pytest.mark.slow
@pytest.mark.campaign
def test_last_checkpoint_within_an_epoch_resumes_bit_for_bit(tmp_path, make_encoder, tasks, trials, tally):
    dice = random.Random(0)
    pairs = list(itertools.product(FREEZES, WEIGHTINGS))
    dice.shuffle(pairs)
    for number, (freeze, weighting) in enumerate(pairs[: trials(2, len(pairs))]):
        moment = (dice.randrange(EPOCHS), dice.randrange(1, STEPS + 1))
        folder = tmp_path / str(number)
        whole = run(folder / "whole", make_encoder, tasks, freeze, weighting, minutes=None)
        with pytest.raises(KilledError):
            run(folder / "killed", make_encoder, tasks, freeze, weighting, moment)
        last = folder / "killed" / "last.ckpt"
        into = folder / ("killed" if number % 2 else "elsewhere")  # the same folder, as a restarted container does
        assert_same(whole, run(into, make_encoder, tasks, freeze, weighting, resume=last))
        assert {path.name for path in into.iterdir()} == {"best.ckpt", "last.ckpt", "SHA256SUMS"}
        tally[f"resumed bit for bit: {freeze}"] += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"accumulate_grad_batches": 4}, {"val_check_interval": 2}, {"check_val_every_n_epoch": 2}]
)
def test_last_checkpoint_waits_for_a_place_to_resume_from(tmp_path, make_encoder, tasks, settings):
    whole = run(tmp_path / "whole", make_encoder, tasks, "none", "uncertainty", minutes=None, **settings)
    for moment in ((0, 5), (1, 3)):
        folder = tmp_path / f"killed {moment}"
        with pytest.raises(KilledError):
            run(folder, make_encoder, tasks, "none", "uncertainty", moment, **settings)
        again = run(folder, make_encoder, tasks, "none", "uncertainty", resume=folder / "last.ckpt", **settings)
        assert_same(whole, again)


class Ask(Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 1 and batch_idx == 4:  # the first of two batches that step together
            next(it for it in trainer.callbacks if isinstance(it, SaveOnInterruption))._ask()


@pytest.mark.slow
def test_interruption_waits_for_the_optimizer_step(tmp_path, make_encoder, tasks):
    def train(folder, callbacks, resume=None):
        torch.manual_seed(0)
        module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks)
        trainer = make_trainer(folder, callbacks=callbacks, accumulate_grad_batches=4)
        fit_and_test(module, make_data(tasks), trainer, resume)
        return module

    whole = train(tmp_path, []).state_dict()
    with pytest.raises(SystemExit):
        train(tmp_path, [SaveOnInterruption(str(tmp_path / "last.ckpt")), Ask()])
    resumed = train(tmp_path, [], tmp_path / "last.ckpt").state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.parametrize("minutes", [-1, float("nan"), float("inf")])
def test_last_checkpoint_refuses_minutes_out_of_range(minutes):
    with pytest.raises(UserError, match=r"every_minutes: .* given; it must be 0 or more"):
        LastCheckpoint("folder", every_minutes=minutes)
