"""Plans of freezing in whole runs: what moves, what dropout acts on, and what is left after an interruption."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.plans import PLANS, SCHEDULES
from support.training import make_data, make_module, make_trainer

from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import FrozenActivations, attach_frozen, frozen_depth
from polyhead.freezing.plans import FreezeSpec, stage_index
from polyhead.freezing.schedules import Gradual
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups
from polyhead.training.fit import fit_and_test

CASES = [("bert", name) for name in PLANS] + [
    pytest.param(family, name, marks=pytest.mark.slow)
    for family in ("roberta", "mpnet", "distilbert")
    for name in [*SCHEDULES, "bias_only", "layer_norm_only"]
]


class Watch(Callback):
    """Notes at the end of every epoch what has moved in it, and which units had their dropout."""

    def __init__(self):
        self.moved, self.modes = [], []

    def on_train_epoch_start(self, trainer, pl_module):
        self.before = {name: value.detach().clone() for name, value in pl_module.model.named_parameters()}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        flags = {
            name: {m.training for part in parts for m in part.modules()} for name, parts in self.layer_groups.items()
        }
        self.modes.append((trainer.current_epoch, flags))

    def on_fit_start(self, trainer, pl_module):
        self.layer_groups = layer_groups(pl_module.model)

    def on_train_epoch_end(self, trainer, pl_module):
        now = pl_module.model.named_parameters()
        self.moved.append({name for name, value in now if not torch.equal(value, self.before[name])})


@pytest.mark.slow
@pytest.mark.parametrize(("family", "plan"), CASES)
def test_stages_move_exactly_the_intended_parameters(tmp_path, make_encoder, tasks, family, plan):
    watch, model = Watch(), MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    module = make_module(model, tasks, PLANS[plan])
    make_trainer(tmp_path, max_epochs=3, callbacks=[watch]).fit(module, make_data(tasks, train=16))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for epoch, moved in enumerate(watch.moved):
        frozen = module.stages[stage_index(module.stages, epoch)].freezing.frozen_parameters(model)
        assert moved == {name for key, name in names.items() if key not in frozen}
    for epoch, modes in watch.modes:
        frozen = module.stages[stage_index(module.stages, epoch)].freezing.frozen_parameters(model)
        for unit, parts in layer_groups(model).items():
            trained = any(id(p) not in frozen for part in parts for p in part.parameters())
            assert modes[unit] == {trained}


class Losses(Callback):
    """Notes the losses, and writes checkpoints after some steps, in the middle of an epoch or not."""

    def __init__(self, steps=(), folder=None):
        self.values, self.steps, self.folder = [], steps, folder

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append((trainer.global_step, outputs["loss"].item()))
        if trainer.global_step in self.steps:
            trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


def run(folder, make_encoder, tasks, plan, losses, features, resume=None):
    torch.manual_seed(0)
    model = MultiTaskModel(make_encoder(), tasks, dropout=0.1)
    module, data = make_module(model, tasks, plan), make_data(tasks, train=24)
    if features:
        store = ActivationCache(str(folder / "features"), 1)
        data.activations = lambda: attach_frozen(model.encoder, "32-true", store, torch.device("cpu"))
    fit_and_test(module, data, make_trainer(folder, max_epochs=3, callbacks=[losses]), resume)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("features", [False, True])
@pytest.mark.parametrize("plan", ["none", *SCHEDULES])
def test_resumed_stages_are_the_uninterrupted_ones_bit_for_bit(tmp_path, make_encoder, tasks, plan, features):
    steps = (1, 3, 5, 6) if features else (4,)  # three steps an epoch
    whole = Losses(steps, tmp_path)
    uninterrupted = run(tmp_path / "whole", make_encoder, tasks, PLANS[plan], whole, features)
    for step in steps:
        rest = Losses()
        resumed = run(tmp_path, make_encoder, tasks, PLANS[plan], rest, features, tmp_path / f"{step}.ckpt")
        assert rest.values == whole.values[step:]
        assert resumed.stage == uninterrupted.stage
        theirs = resumed.state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in uninterrupted.state_dict().items())


@pytest.mark.slow
def test_activation_cache_covers_what_is_frozen_in_each_stage(tmp_path, model, tasks):
    depths = []

    class Depths(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            assert batch.depth == frozen_depth(model.encoder)
            assert (batch.activations is None) == (batch.depth == 0)
            depths.append(batch.depth)

    data = make_data(tasks)
    store = ActivationCache(str(tmp_path / "features"), 1)
    data.activations = lambda: attach_frozen(model.encoder, "32-true", store, torch.device("cpu"))
    module = make_module(model, tasks, Gradual(groups=4, epochs=1))
    fit_and_test(module, data, make_trainer(tmp_path, max_epochs=5, callbacks=[Depths()]), None)
    assert depths[::6] == [None, 2, 1, 0, 0]


def test_activations_are_those_of_the_weights_they_are_attached_for(tmp_path, model, tasks):
    """After training upper layers, a deeper boundary is computed from the trained weights, not taken from the store."""
    store, data = ActivationCache(str(tmp_path), 1), make_data(tasks)
    FreezeSpec(["encoder"]).apply(model)
    split = data.split("train")
    FrozenActivations(model.encoder, frozen_depth(model.encoder), "32-true", store, torch.device("cpu")).attach(
        split, "train"
    )
    before = split.activations.clone()
    with torch.no_grad():
        model.encoder.layers[2].output.dense.weight.add_(0.1)
    FrozenActivations(model.encoder, frozen_depth(model.encoder), "32-true", store, torch.device("cpu")).attach(
        split, "train"
    )
    assert not torch.allclose(split.activations, before)
