"""Distillation in training: the gradient of its loss, rows without labels, and exact resumption."""

import copy

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.kinds import TASKS, KindSource
from support.training import FirstStep, make_data, make_module, make_trainer, without_dropout

from polyhead.data.datamodule import SentenceData
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives import CosineDistance, Distillation, MultiTaskLoss
from polyhead.tasks import MISSING
from polyhead.training.fit import fit_and_test

TEMPERATURE, SHARE = 2.0, 0.75


def taught(tasks, data=None, **settings):
    """Return sentences with random answers of a teacher."""
    data = data or make_data(tasks, **settings)
    train, generator = data.split("train"), torch.Generator().manual_seed(5)
    train.answers = {task.name: 2 * torch.randn(len(train), task.width, generator=generator) for task in tasks}
    return data


def first_step(folder, model, data, tasks):
    seen = FirstStep()
    module = make_module(model, tasks)
    module.distillation = Distillation(TEMPERATURE, SHARE, tasks)
    make_trainer(folder, callbacks=[seen], max_steps=1, max_epochs=-1).fit(module, data)
    return seen


def of_kinds():
    template = make_data(TASKS)
    source = KindSource({"train": 48, "validation": 24, "test": 24})
    return SentenceData(source, TASKS, template.text_tokenizer, template.loader)


def test_batches_have_the_answers_of_their_rows(tasks):
    data = taught(tasks)
    train = data.split("train")
    for batch in data.train_dataloader():
        for task in tasks:
            assert torch.equal(batch.answers[task.name], train.answers[task.name][batch.rows])
    assert next(iter(data.val_dataloader())).answers is None


@pytest.mark.parametrize("kinds", [False, True])
def test_first_step_has_the_gradient_of_the_mixed_losses(tmp_path, make_encoder, tasks, kinds):
    tasks = TASKS if kinds else tasks
    model = without_dropout(MultiTaskModel(make_encoder(), tasks, dropout=0.0))
    data = taught(tasks, of_kinds() if kinds else None)
    before = copy.deepcopy(model).train()
    seen = first_step(tmp_path, model, data, tasks)
    (batch,) = seen.batches
    logits = before(batch)
    losses, _ = MultiTaskLoss(0.0, 0.0, 0.0, tasks)(logits, batch.labels)
    mixed = 0.0
    for task, loss in zip(tasks, losses, strict=True):
        soft = task.kind.soft_losses(logits[task.name], batch.answers[task.name], TEMPERATURE).mean()
        mixed = mixed + (1 - SHARE) * loss + SHARE * soft
    named = dict(before.named_parameters())
    expected = dict(zip(named, torch.autograd.grad(mixed, list(named.values())), strict=True))
    for name, value in seen.gradients.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5)


def test_rows_without_any_label_train_the_heads_by_answers_alone(tmp_path, model, tasks):
    data = make_data(tasks, train=8)
    for column in data.split("train").labels.values():
        column[:] = MISSING
    seen = first_step(tmp_path, without_dropout(model), taught(tasks, data), tasks)
    assert all(seen.gradients[f"heads.{task.name}.1.weight"].abs().max() > 1e-4 for task in tasks)


@pytest.mark.slow
def test_distilled_run_that_was_stopped_resumes_bit_for_bit(tmp_path, make_encoder, tasks):
    class Save(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "step.ckpt")

    def run(callbacks, resume=None):
        torch.manual_seed(0)
        module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks)
        module.distillation, module.embedding_loss = Distillation(TEMPERATURE, SHARE, tasks), CosineDistance(1.0)
        data = taught(tasks, train=24)
        train = data.split("train")
        train.targets = torch.randn(len(train), 16, generator=torch.Generator().manual_seed(6))
        fit_and_test(module, data, make_trainer(tmp_path, callbacks=callbacks), resume)
        return module.model.state_dict()

    whole, resumed = run([Save()]), run([], tmp_path / "step.ckpt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
