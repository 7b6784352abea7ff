import copy

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from support.fakes import FakeSource
from support.training import make_data, make_module, make_trainer

from polyhead.errors import UserError
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.sources.mixing import Mixture
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.checkpoints import load_checkpoint
from polyhead.training.fit import fit_and_test


def checkpoints(folder, **settings):
    best = BestCheckpoint(folder, "best", monitor="validation/macro_f1", mode="max", save_weights_only=True)
    return [best, ModelCheckpoint(folder, "last", save_on_train_epoch_end=True)]


def test_fit_restores_the_best_weights_and_tests_them_once(tmp_path, model, tasks):
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
    result = fit_and_test(module, data, trainer, resume=None)
    best = load_checkpoint(tmp_path / "best.ckpt")
    assert result.best_epoch == best["epoch"] < 3
    assert result.validation == best["results"]["validation"]
    assert all(torch.equal(value, best["state_dict"][name]) for name, value in module.state_dict().items())
    make_trainer(tmp_path).validate(module, data, verbose=False)
    assert module.results["validation"] == result.validation
    assert len(seen) == 1


def test_fit_without_a_monitoring_checkpoint_takes_the_last_weights(tmp_path, model, tasks):
    result = fit_and_test(make_module(model, tasks), make_data(tasks), make_trainer(tmp_path), resume=None)
    assert result.best_epoch == 1
    assert result.test.keys() == {"category", "sentiment"}


def test_fit_that_takes_no_step_and_evaluates_nothing_writes_its_weights_all_the_same(
    tmp_path, model, tasks, monkeypatch
):
    module, data = make_module(model, tasks, ["encoder", "heads"]), make_data(tasks)
    monkeypatch.setattr(type(data.source), "has", lambda source, split: split != "validation")
    trainer = make_trainer(tmp_path, enable_checkpointing=True, callbacks=checkpoints(tmp_path))
    result = fit_and_test(module, data, trainer, resume=None, test=False)
    assert (result.validation, result.test) == ({}, {})
    saved = load_checkpoint(tmp_path / "best.ckpt")["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in module.state_dict().items())


def test_fit_with_everything_frozen_evaluates_the_untouched_network(tmp_path, model, tasks):
    before = {name: p.clone() for name, p in model.named_parameters()}
    module = make_module(model, tasks, ["encoder", "heads"])
    result = fit_and_test(module, make_data(tasks), make_trainer(tmp_path), resume=None)
    assert (result.epochs, result.best_epoch) == (0, None)
    make_trainer(tmp_path).validate(module, make_data(tasks), verbose=False)
    assert result.validation == module.results["validation"]
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frozen", "source"),
    [
        ([], FakeSource),
        (["encoder"], FakeSource),
        (["encoder.embeddings", "encoder.layers[:2]"], FakeSource),
        (["encoder"], Mixed),
    ],
)
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, make_encoder, tasks, frozen, source):
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


def test_checkpoint_of_another_model_is_refused(tmp_path, model, tasks):
    trainer = make_trainer(tmp_path, enable_checkpointing=True, callbacks=checkpoints(tmp_path), max_epochs=1)
    fit_and_test(make_module(model, tasks), make_data(tasks), trainer, None)
    other = make_module(MultiTaskModel(model.encoder, tasks[:1], 0.1), tasks[:1])
    with pytest.raises(UserError, match="does not hold the encoder and heads"):
        fit_and_test(other, make_data(tasks[:1]), make_trainer(tmp_path), resume=tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="best.ckpt' does not hold"):  # weights only
        fit_and_test(make_module(model, tasks), make_data(tasks), make_trainer(tmp_path), tmp_path / "best.ckpt")


@pytest.mark.slow
def test_test_sets_are_evaluated_once_each_and_reported_apart(tmp_path, model, tasks):
    seen = []

    class Seen(Callback):
        def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
            seen.append((pl_module.evaluated_split, len(batch)))

    class WithExtraTestSets(FakeSource):
        test_sets = ("test", "news", "letters")

    data = make_data(tasks)
    sizes = {"train": 48, "validation": 24, "test": 24, "news": 30, "letters": 5}
    data.source = WithExtraTestSets(sizes)
    module = make_module(model, tasks)
    result = fit_and_test(module, data, make_trainer(tmp_path, callbacks=[Seen()]), resume=None)
    rows = {name: sum(size for test_set, size in seen if test_set == name) for name, _ in seen}
    assert rows == {"test": 24, "news": 30, "letters": 5}
    for name, results in {"test": result.test, **result.extra_test_sets}.items():
        assert all(sum(map(sum, values["confusion"])) == rows[name] for values in results.values())
    assert list(result.extra_test_sets) == ["news", "letters"]
    assert result.extra_test_sets["news"] != result.test


@pytest.mark.slow
def test_task_without_labels_in_a_test_set_is_not_measured_there(tmp_path, model, tasks):
    class Partial(FakeSource):
        def sentences(self, split):
            for sentence in super().sentences(split):
                if split == "test":
                    sentence.labels["category"] = None
                yield sentence

    data = make_data(tasks)
    data.source = Partial(data.source.sizes)
    result = fit_and_test(make_module(model, tasks), data, make_trainer(tmp_path), resume=None)
    assert set(result.validation) == {"category", "sentiment"}
    assert set(result.test) == {"sentiment"}


def test_test_sets_are_left_alone_where_that_is_asked_for(tmp_path, model, tasks):
    module, data = make_module(model, tasks), make_data(tasks)
    result = fit_and_test(module, data, make_trainer(tmp_path), resume=None, test=False)
    assert (result.test, result.extra_test_sets) == ({}, {})
    assert "test" not in data.splits


def test_untrained_weights_are_saved_as_the_best(tmp_path, model, tasks):
    module = make_module(model, tasks, ["encoder", "heads"])
    trainer = make_trainer(tmp_path, enable_checkpointing=True, callbacks=checkpoints(tmp_path))
    result = fit_and_test(module, make_data(tasks), trainer, resume=None)
    saved = load_checkpoint(tmp_path / "best.ckpt")
    assert saved["results"]["validation"] == result.validation
    assert all(torch.equal(value, saved["state_dict"][name]) for name, value in module.state_dict().items())


@pytest.mark.slow
def test_resuming_from_format_1_restores_its_best_weights_and_metrics(tmp_path, model, tasks):
    """A checkpoint of 0.1.0 has no format and called the calibration error otherwise."""

    def as_format_1(path):
        content = torch.load(path, weights_only=True)
        del content["polyhead_format"]
        for values in content["results"]["validation"].values():
            values["calibration_error"] = values.pop("ece")
            values["calibration_error_scaled"] = values.pop("ece_scaled")
            values["macro_f1"] = 2.0  # no later epoch is better
        torch.save(content, path)

    old, new = tmp_path / "old", tmp_path / "new"
    trainer = make_trainer(old, enable_checkpointing=True, callbacks=[*checkpoints(old), Stop()], max_epochs=4)
    fit_and_test(make_module(model, tasks), make_data(tasks), trainer, None)
    as_format_1(old / "best.ckpt")
    (old / "SHA256SUMS").unlink()  # nor did it write digests
    content = torch.load(old / "last.ckpt", weights_only=True)
    del content["polyhead_format"]
    for name, state in content["callbacks"].items():
        if name.startswith("BestCheckpoint"):
            state["best_model_score"] = torch.tensor(2.0)
            state["best_k_models"] = {path: torch.tensor(2.0) for path in state["best_k_models"]}
    torch.save(content, old / "last.ckpt")
    trainer = make_trainer(new, enable_checkpointing=True, callbacks=checkpoints(new), max_epochs=4)
    result = fit_and_test(make_module(model, tasks), make_data(tasks), trainer, resume=old / "last.ckpt")
    assert result.epochs == 4
    assert result.best_epoch <= 1
    expected = load_checkpoint(old / "best.ckpt")["results"]["validation"]
    assert result.validation == expected
    assert "ece" in result.validation["category"]
    assert "calibration_error" not in result.validation["category"]


@pytest.mark.slow
def test_weights_that_were_never_validated_are_saved_as_the_best(tmp_path, model, tasks):
    module = make_module(model, tasks)
    callbacks = checkpoints(tmp_path)
    trainer = make_trainer(tmp_path, enable_checkpointing=True, callbacks=callbacks, check_val_every_n_epoch=5)
    result = fit_and_test(module, make_data(tasks), trainer, resume=None)
    saved = load_checkpoint(tmp_path / "best.ckpt")
    assert result.epochs == 2
    assert saved["results"]["validation"] == result.validation
    assert all(torch.equal(value, saved["state_dict"][name]) for name, value in module.state_dict().items())


class Weighted(FakeSource):
    """Sentences every other of which does not count."""

    def weights(self, split):
        return np.arange(self.sizes[split], dtype=np.float32) % 2 if split == "train" else None


@pytest.mark.slow
def test_fit_leaves_out_what_has_no_weight(tmp_path, model, tasks):
    """Labels that are wrong wherever the weight is 0 change nothing."""

    class Wrong(Weighted):
        def sentences(self, split):
            for row, sentence in enumerate(super().sentences(split)):
                if split == "train" and row % 2 == 0:
                    sentence.labels = {"category": "News", "sentiment": "Negative"}
                yield sentence

    states = []
    for kind in (Weighted, Wrong):
        data = make_data(tasks)
        data.source = kind(data.source.sizes)
        torch.manual_seed(0)
        module = make_module(copy.deepcopy(model), tasks)
        module.loss = MultiTaskLoss(0.1, 0.9, 0.0, tasks)  # its class weights count no such rows
        fit_and_test(module, data, make_trainer(tmp_path), resume=None)
        states.append(module.model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_fit_refuses_weights_that_the_loss_does_not_take(tmp_path, model, tasks):
    class Own(MultiTaskLoss):
        def forward(self, logits, labels):
            return super().forward(logits, labels)

    data, module = make_data(tasks), make_module(model, tasks)
    data.source, module.loss = Weighted(data.source.sizes), Own(0.0, 0.0, 0.0, tasks)
    with pytest.raises(UserError, match=r"data.weight: Own.forward takes no weights; add them, or leave it out"):
        fit_and_test(module, data, make_trainer(tmp_path), resume=None)
