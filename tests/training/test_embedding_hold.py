"""Embeddings that are held while heads learn: what it adds to a step, and how it resumes."""

import copy

import pytest
import torch
import yaml
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from support.commands import ROOT
from support.training import FirstStep, make_data, make_module, make_trainer, without_dropout

from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives import CosineDistance, SimilarityGap
from polyhead.training.fit import fit_and_test

TASKS = ("category", "sentiment")
WEIGHT = 2.5
WIDTH = 16  # of the tiny encoder


def make_rule(option):
    node = yaml.safe_load((ROOT / "configs" / "weighting" / f"{option}.yaml").read_text())
    return instantiate(node, tasks=TASKS, _convert_="all")


def held(tasks, **settings):
    """Return sentences whose embeddings have random targets."""
    data = make_data(tasks, **settings)
    train = data.split("train")
    train.targets = torch.randn(len(train), WIDTH, generator=torch.Generator().manual_seed(5))
    return data


def first_step(folder, model, data, rule, loss, tasks, frozen=(), accumulated=1):
    seen = FirstStep()
    module = make_module(model, tasks, frozen, weighting=rule)
    module.embedding_loss = loss
    settings = {"max_steps": 1, "max_epochs": -1, "accumulate_grad_batches": accumulated}
    make_trainer(folder, callbacks=[seen], **settings).fit(module, data)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "frozen", "accumulated"),
    [
        ("equal", (), 1),
        ("equal", ["encoder.embeddings", "encoder.layers[:2]"], 2),
        ("uncertainty", (), 1),
        ("gradnorm", (), 1),
        ("pcgrad", (), 2),
        ("upgrad", ["heads.category"], 1),
    ],
)
@pytest.mark.parametrize("kind", [CosineDistance, SimilarityGap])
def test_held_embedding_adds_its_weighted_gradient_to_the_encoder_alone(
    tmp_path, model, tasks, kind, option, frozen, accumulated
):
    model, loss = without_dropout(model), kind(WEIGHT)
    before = copy.deepcopy(model).train()
    plain, with_term = (
        first_step(tmp_path, copy.deepcopy(model), held(tasks), make_rule(option), term, tasks, frozen, accumulated)
        for term in (None, loss)
    )
    drift = sum(loss(before.embed(batch), batch.targets) for batch in with_term.batches) / accumulated
    named = dict(before.encoder.named_parameters(prefix="encoder"))
    added = dict(zip(named, torch.autograd.grad(WEIGHT * drift, list(named.values())), strict=True))
    assert with_term.gradients.keys() == plain.gradients.keys()
    assert any(added[name].abs().max() > 1e-3 for name in added if name in plain.gradients)
    for name, gradient in with_term.gradients.items():
        expected = plain.gradients[name] + added.get(name, 0)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")


def test_batches_have_the_targets_of_their_rows(tasks):
    data = held(tasks)
    train = data.split("train")
    for batch in data.train_dataloader():
        assert torch.equal(batch.targets, train.targets[batch.rows])
    assert next(iter(data.val_dataloader())).targets is None


def test_held_embedding_of_a_frozen_encoder_changes_nothing(tmp_path, model, tasks):
    steps = [
        first_step(
            tmp_path, without_dropout(copy.deepcopy(model)), held(tasks), make_rule("equal"), loss, tasks, ["encoder"]
        )
        for loss in (None, CosineDistance(WEIGHT))
    ]
    assert all(torch.equal(value, steps[1].gradients[name]) for name, value in steps[0].gradients.items())


@pytest.mark.slow
def test_held_embedding_of_a_stopped_run_resumes_bit_for_bit(tmp_path, make_encoder, tasks):
    class Save(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "step.ckpt")

    def run(callbacks, resume=None):
        torch.manual_seed(0)
        module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks)
        module.embedding_loss = CosineDistance(WEIGHT)
        fit_and_test(module, held(tasks, train=24), make_trainer(tmp_path, callbacks=callbacks), resume)
        return module.model.state_dict()

    whole, resumed = run([Save()]), run([], tmp_path / "step.ckpt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
