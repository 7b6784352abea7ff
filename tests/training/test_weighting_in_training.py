"""Weightings within training: where their gradients go, how they resume, and what stops a run."""

import copy
import logging

import pytest
import torch
import yaml
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from support.commands import ROOT
from support.training import make_data, make_module, make_trainer

from polyhead.errors import UserError
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.gradient_conflict import gradients_at
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.objectives.weighting import Aggregation, Equal
from polyhead.training.fit import fit_and_test

TASKS = ("category", "sentiment")
OPTIONS = sorted(path.stem for path in (ROOT / "configs" / "weighting").glob("*.yaml"))


def make(option):
    node = yaml.safe_load((ROOT / "configs" / "weighting" / f"{option}.yaml").read_text())
    return instantiate(node, tasks=TASKS, _convert_="all")


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | FastDropout):
            module.p = 0.0
    return model


class FirstGradients(Callback):
    """Keeps the first batch, the model before it, and the gradients it left."""

    def __init__(self):
        self.gradients = None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.gradients is None:
            self.batch, self.model = batch, copy.deepcopy(pl_module.model)

    def on_after_backward(self, trainer, pl_module):
        if self.gradients is None:
            self.gradients = {name: p.grad.clone() for name, p in pl_module.model.named_parameters()}


def first_gradients(folder, model, tasks, weighting, **settings):
    seen = FirstGradients()
    module = make_module(without_dropout(model), tasks, weighting=weighting)
    make_trainer(folder, max_steps=1, max_epochs=-1, callbacks=[seen], **settings).fit(module, make_data(tasks))
    return seen


@pytest.mark.parametrize("level", ["embedding", "parameters"])
@pytest.mark.parametrize("aggregator", ["PCGrad", "MGDA", "UPGrad"])
def test_the_encoder_gets_the_aggregate_and_each_head_its_own_loss(tmp_path, model, tasks, aggregator, level):
    weighting = Aggregation(TASKS, aggregator, {}, level, gives_mean=aggregator != "PCGrad")
    seen = first_gradients(tmp_path, model, tasks, weighting)
    encoder = list(seen.model.encoder.parameters())
    embeddings = seen.model.embed(seen.batch)
    losses, labelled = cross_entropy_per_task(seen.model.classify(embeddings), seen.batch.labels)
    if level == "embedding":
        combined = weighting.aggregate(gradients_at(embeddings, losses), labelled > 0)
        expected = torch.autograd.grad(embeddings, encoder, combined.view_as(embeddings), retain_graph=True)
    else:
        rows = [torch.autograd.grad(loss, encoder, retain_graph=True) for loss in losses]
        matrix = torch.stack([torch.cat([gradient.flatten() for gradient in row]) for row in rows])
        combined = weighting.aggregate(matrix, labelled > 0)
        expected = [
            part.view_as(p) for part, p in zip(combined.split([p.numel() for p in encoder]), encoder, strict=True)
        ]
    for (name, _), gradient in zip(seen.model.encoder.named_parameters(), expected, strict=True):
        torch.testing.assert_close(seen.gradients[f"encoder.{name}"], gradient, atol=1e-6, rtol=1e-4)
    for task, loss in zip(TASKS, losses, strict=True):
        head = list(seen.model.heads[task].parameters())
        for (name, _), gradient in zip(
            seen.model.heads[task].named_parameters(), torch.autograd.grad(loss, head, retain_graph=True), strict=True
        ):
            torch.testing.assert_close(seen.gradients[f"heads.{task}.{name}"], gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("level", ["embedding", "parameters"])
def test_aggregation_by_the_sum_is_equal_weighting(tmp_path, model, tasks, level):
    plain = first_gradients(tmp_path, copy.deepcopy(model), tasks, Equal(TASKS))
    summed = first_gradients(tmp_path, model, tasks, Aggregation(TASKS, "Sum", {}, level, gives_mean=False))
    for name, gradient in plain.gradients.items():
        torch.testing.assert_close(summed.gradients[name], gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("settings", [{"precision": "bf16-mixed"}, {"accumulate_grad_batches": 3}])
@pytest.mark.parametrize("option", ["pcgrad", "imtl_g", "gradnorm"])
def test_it_trains_in_half_precision_and_over_several_batches(tmp_path, model, tasks, option, settings):
    before = copy.deepcopy(model.state_dict())
    module = make_module(model, tasks, weighting=make(option))
    make_trainer(tmp_path, **settings).fit(module, make_data(tasks))
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_accumulated_batches_add_up(tmp_path, model, tasks):
    """The gradient after two batches is the mean of theirs."""

    class After(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            if not hasattr(self, "gradient"):
                self.gradient = pl_module.model.encoder.layers[0].output.dense.weight.grad.clone()

        def on_after_backward(self, trainer, pl_module):
            sums.append(pl_module.model.encoder.layers[0].output.dense.weight.grad.clone())

    sums, after = [], After()
    module = make_module(without_dropout(model), tasks, weighting=make("pcgrad"))
    make_trainer(tmp_path, accumulate_grad_batches=2, max_epochs=1, gradient_clip_val=None, callbacks=[after]).fit(
        module, make_data(tasks)
    )
    single = first_gradients(tmp_path, copy.deepcopy(model), tasks, make("pcgrad"))
    assert single.gradients
    torch.testing.assert_close(after.gradient, sums[1])
    assert not torch.allclose(sums[0], sums[1])


@pytest.mark.parametrize("option", ["pcgrad", "nash_mtl", "gradnorm"])
def test_with_nothing_shared_to_train_it_steps_aside_in_one_line(tmp_path, make_encoder, tasks, option, caplog):
    finals = []
    for weighting in (make(option), Equal(TASKS)):
        torch.manual_seed(0)
        model = MultiTaskModel(make_encoder(), tasks, dropout=0.1)
        module = make_module(model, tasks, ["encoder"], weighting=weighting)
        with caplog.at_level(logging.INFO, logger="polyhead"):
            make_trainer(tmp_path).fit(module, make_data(tasks))
        finals.append(model.heads.state_dict())
    assert all(torch.equal(value, finals[1][name]) for name, value in finals[0].items())
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("weighting:")]
    assert len(lines) == 1


@pytest.mark.parametrize("option", OPTIONS)
def test_with_one_head_frozen_and_labels_missing_it_trains_the_rest(tmp_path, model, tasks, option):
    head = copy.deepcopy(model.heads["category"].state_dict())
    before = copy.deepcopy(model.encoder.state_dict())
    module = make_module(model, tasks, ["heads.category"], weighting=make(option))
    make_trainer(tmp_path, max_epochs=1).fit(module, make_data(tasks, train=24, unlabelled={"sentiment": 2}))
    assert all(torch.equal(value, head[name]) for name, value in model.heads["category"].state_dict().items())
    after = model.encoder.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in after.items())
    assert all(value.isfinite().all() for value in after.values())


class Losses(Callback):
    def __init__(self, step=None, path=None):
        self.values, self.step, self.path = [], step, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(outputs["loss"].item())
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, make_encoder, tasks, option):
    def run(losses, resume=None):
        torch.manual_seed(0)
        module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks, weighting=make(option))
        trainer = make_trainer(tmp_path, max_epochs=3, callbacks=[losses])
        fit_and_test(module, make_data(tasks, train=24), trainer, resume)
        return module.state_dict()

    whole, rest = Losses(5, tmp_path / "step.ckpt"), Losses()  # three steps an epoch
    expected, resumed = run(whole), run(rest, tmp_path / "step.ckpt")
    assert rest.values == whole.values[5:]
    tensors = {name: value for name, value in expected.items() if isinstance(value, torch.Tensor)}
    assert all(torch.equal(value, resumed[name]) for name, value in tensors.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run_and_says_where(tmp_path, model, tasks, value):
    class Spoil(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 3:
                pl_module.model.heads["sentiment"][1].bias.data[:1] = value

    module = make_module(model, tasks)
    with pytest.raises(
        UserError, match=r"loss of 'sentiment' is (nan|inf) at step 3, .* sentences (\d+, ){7}\d+; lower"
    ):
        make_trainer(tmp_path, callbacks=[Spoil()]).fit(module, make_data(tasks))
