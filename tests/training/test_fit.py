import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from support.fakes import FakeSource
from support.training import make_data, make_module, make_trainer

from polyhead.errors import UserError
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.sources.mixing import Mixture
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.checkpoints import load_checkpoint
from polyhead.training.fit import fit_and_test


def checkpoints(folder, **settings):
    best = BestCheckpoint(folder, "best", monitor="validation/macro_f1", mode="max", save_weights_only=True)
    return [best, ModelCheckpoint(folder, "last", save_on_train_epoch_end=True)]


def test_the_best_weights_are_restored_and_tested_once(tmp_path, model, tasks):
    seen = []

    class Spoil(Callback):
        """Makes the last epoch the worst: whoever keeps the last weights is found out."""

        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 3:
                for parameter in pl_module.model.heads.parameters():
                    parameter.data.mul_(-100)

        def on_test_start(self, trainer, pl_module):
            seen.append(trainer.current_epoch)

    module, data = make_module(model, tasks), make_data(tasks)
    trainer = make_trainer(
        tmp_path, max_epochs=4, enable_checkpointing=True, callbacks=[*checkpoints(tmp_path), Spoil()]
    )
    outcome = fit_and_test(module, data, trainer, resume=None)
    best = load_checkpoint(tmp_path / "best.ckpt")
    assert outcome.best_epoch == best["epoch"] < 3
    assert outcome.validation == best["results"]["validation"]
    assert all(torch.equal(value, best["state_dict"][name]) for name, value in module.state_dict().items())
    make_trainer(tmp_path).validate(module, data, verbose=False)
    assert module.results["validation"] == outcome.validation
    assert len(seen) == 1


def test_without_a_monitoring_checkpoint_the_last_weights_count(tmp_path, model, tasks):
    outcome = fit_and_test(make_module(model, tasks), make_data(tasks), make_trainer(tmp_path), resume=None)
    assert outcome.best_epoch == 1
    assert outcome.test.keys() == {"category", "sentiment"}


def test_with_everything_frozen_the_untouched_network_is_evaluated(tmp_path, model, tasks):
    before = {name: p.clone() for name, p in model.named_parameters()}
    module = make_module(model, tasks, ["encoder", "heads"])
    outcome = fit_and_test(module, make_data(tasks), make_trainer(tmp_path), resume=None)
    assert (outcome.epochs, outcome.best_epoch) == (0, None)
    assert outcome.validation["category"]["accuracy"] >= 0
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


class Stop(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch == 1


class Losses(Callback):
    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(outputs["loss"].item())


class Mixed(FakeSource):
    """A third of the sentences is one source, the rest another; both come alike."""

    def mixture(self, split):
        return Mixture(np.arange(self.sizes[split]) % 3 // 2, exponent=0.0)


@pytest.mark.parametrize(
    ("frozen", "source"),
    [
        ([], FakeSource),
        (["encoder"], FakeSource),
        (["encoder.embeddings", "encoder.layers[:2]"], FakeSource),
        (["encoder"], Mixed),
    ],
)
def test_a_run_stopped_after_an_epoch_goes_on_as_if_never_stopped(tmp_path, make_encoder, tasks, frozen, source):
    def run(folder, callbacks, resume=None):
        torch.manual_seed(0)
        module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.0), tasks, frozen)
        for submodule in module.modules():
            if isinstance(submodule, torch.nn.Dropout | FastDropout):
                submodule.p = 0.0  # the state of the random generator is not part of a checkpoint
        callbacks = [*checkpoints(folder), *callbacks]
        trainer = make_trainer(folder, max_epochs=4, enable_checkpointing=True, callbacks=callbacks)
        data = make_data(tasks)
        data.source = source(data.source.sizes)
        fit_and_test(module, data, trainer, resume)
        return module

    whole, rest = Losses(), Losses()
    uninterrupted = run(tmp_path / "whole", [whole])
    run(tmp_path / "stopped", [Stop()])
    resumed = run(tmp_path / "resumed", [rest], resume=tmp_path / "stopped" / "last.ckpt")
    assert len(rest.values) == len(whole.values) // 2
    assert rest.values == whole.values[len(rest.values) :]
    theirs = resumed.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in uninterrupted.state_dict().items())


def test_a_checkpoint_of_another_model_is_refused(tmp_path, model, tasks):
    trainer = make_trainer(tmp_path, enable_checkpointing=True, callbacks=checkpoints(tmp_path), max_epochs=1)
    fit_and_test(make_module(model, tasks), make_data(tasks), trainer, None)
    other = make_module(MultiTaskModel(model.encoder, tasks[:1], 0.1), tasks[:1])
    with pytest.raises(UserError, match="does not hold the encoder, heads and optimizer"):
        fit_and_test(other, make_data(tasks[:1]), make_trainer(tmp_path), resume=tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="best.ckpt' does not hold"):  # weights only
        fit_and_test(make_module(model, tasks), make_data(tasks), make_trainer(tmp_path), tmp_path / "best.ckpt")


def test_each_test_set_is_evaluated_once_and_reported_apart(tmp_path, model, tasks):
    seen = []

    class Seen(Callback):
        def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
            seen.append((pl_module.test_set, len(batch)))

    class Shifted(FakeSource):
        test_sets = ("test", "news", "letters")

    data = make_data(tasks)
    sizes = {"train": 48, "validation": 24, "test": 24, "news": 30, "letters": 5}
    data.source = Shifted(sizes)
    module = make_module(model, tasks)
    outcome = fit_and_test(module, data, make_trainer(tmp_path, callbacks=[Seen()]), resume=None)
    rows = {name: sum(size for test_set, size in seen if test_set == name) for name, _ in seen}
    assert rows == {"test": 24, "news": 30, "letters": 5}
    for name, results in {"test": outcome.test, **outcome.extra_test_sets}.items():
        assert all(sum(map(sum, values["confusion"])) == rows[name] for values in results.values())
    assert list(outcome.extra_test_sets) == ["news", "letters"]
    assert outcome.extra_test_sets["news"] != outcome.test


def test_a_task_without_labels_in_a_test_set_is_not_measured_there(tmp_path, model, tasks):
    class Partial(FakeSource):
        def sentences(self, split):
            for sentence in super().sentences(split):
                if split == "test":
                    sentence.labels["category"] = None
                yield sentence

    data = make_data(tasks)
    data.source = Partial(data.source.sizes)
    outcome = fit_and_test(make_module(model, tasks), data, make_trainer(tmp_path), resume=None)
    assert set(outcome.validation) == {"category", "sentiment"}
    assert set(outcome.test) == {"sentiment"}
