"""Weightings within training: which gradients a step leaves, how a run resumes, and what stops one.

The references are plain autograd on a copy of the model, with the batches that the run was given.
"""

import copy
import logging

import pytest
import torch
import yaml
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from support.commands import ROOT
from support.training import FirstStep, make_data, make_module, make_trainer, without_dropout
from torch.nn.functional import cross_entropy

from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.weighting import Aggregation, Equal
from polyhead.tasks import MISSING
from polyhead.training.fit import fit_and_test

TASKS = ("category", "sentiment")
OPTIONS = sorted(path.stem for path in (ROOT / "configs" / "weighting").glob("*.yaml"))
CLOSE = {"rtol": 1e-4, "atol": 1e-6}

pytestmark = pytest.mark.slow


def make(option):
    node = yaml.safe_load((ROOT / "configs" / "weighting" / f"{option}.yaml").read_text())
    return instantiate(node, tasks=TASKS, _convert_="all")


def first_step(folder, model, tasks, weighting, frozen=(), unlabelled=None, **settings):
    """Train a model for one optimizer step, and return what it left and a copy of the model before it."""
    seen, model = FirstStep(), without_dropout(model)
    module = make_module(model, tasks, frozen, weighting=weighting)
    before = copy.deepcopy(module.model)
    trainer = make_trainer(folder, max_steps=1, max_epochs=-1, callbacks=[seen], **settings)
    trainer.fit(module, make_data(tasks, unlabelled=unlabelled or {}))
    return seen, before, module.seed


def plain_losses(logits, labels):
    """Return each task's mean cross-entropy over its labelled rows, and whether it has any."""
    losses, labelled = [], []
    for task in TASKS:
        known = labels[task] != MISSING
        labelled.append(bool(known.any()))
        losses.append(cross_entropy(logits[task][known], labels[task][known]))
    return torch.stack(losses), torch.tensor(labelled)


def expected_gradients(model, batch, weighting, seed, index):
    """Return by name the gradients that a batch should leave: the rule's weights or aggregate, applied by hand."""
    torch.manual_seed(hash((seed, 0, 0, index)))  # rules that draw numbers draw these
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    encoder = {name: parameter for name, parameter in named.items() if name.startswith("encoder.")}
    embeddings = model.embed(batch)
    losses, labelled = plain_losses(model.classify(embeddings), batch.labels)
    assert labelled.all()
    at_embedding = [torch.autograd.grad(loss, embeddings, retain_graph=True)[0] for loss in losses]
    rows = torch.stack([gradient.flatten() for gradient in at_embedding])
    total = weighting(losses, labelled, rows if weighting.needs_gradients else None)
    gradients = torch.autograd.grad(total, list(named.values()), retain_graph=True, allow_unused=True)
    expected = dict(zip(named, gradients, strict=True))
    if isinstance(weighting, Aggregation):
        expected |= aggregated(weighting, encoder, embeddings, rows)
    return expected


def aggregated(weighting, encoder, embeddings, rows):
    """Return the encoder's gradients by TorchJD's aggregator on the tasks' gradients."""
    parameters = list(encoder.values())
    factor = len(TASKS) if weighting.gives_mean else 1
    if weighting.level == "embedding":
        direction = factor * weighting.aggregator(rows)
        gradients = torch.autograd.grad(embeddings, parameters, direction.view_as(embeddings))
        return dict(zip(encoder, gradients, strict=True))
    walked = [torch.autograd.grad(embeddings, parameters, row.view_as(embeddings), retain_graph=True) for row in rows]
    matrix = torch.stack([torch.cat([gradient.flatten() for gradient in gradients]) for gradients in walked])
    parts = (factor * weighting.aggregator(matrix)).split([parameter.numel() for parameter in parameters])
    return {name: part.view_as(p) for (name, p), part in zip(encoder.items(), parts, strict=True)}


def assert_step(seen, before, weighting, seed):
    """Compare a step's gradients with the mean of those that its batches should leave."""
    batches = [expected_gradients(before, batch, weighting, seed, index) for index, batch in enumerate(seen.batches)]
    assert seen.gradients.keys() == batches[0].keys()
    for name, gradient in seen.gradients.items():
        mean = torch.stack([expected[name] for expected in batches]).mean(dim=0)
        torch.testing.assert_close(gradient, mean, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("option", OPTIONS)
def test_step_has_the_gradients_of_its_rule(tmp_path, model, tasks, option, accumulated):
    weighting = make(option)
    reference = copy.deepcopy(weighting)
    seen, before, seed = first_step(
        tmp_path, model, tasks, weighting, unlabelled={"sentiment": 2}, accumulate_grad_batches=accumulated
    )
    assert len(seen.batches) == accumulated
    assert_step(seen, before, reference, seed)


@pytest.mark.parametrize("option", OPTIONS)
def test_step_with_a_frozen_head_has_the_gradients_of_its_rule(tmp_path, model, tasks, option):
    weighting = make(option)
    reference = copy.deepcopy(weighting)
    seen, before, seed = first_step(tmp_path, model, tasks, weighting, frozen=["heads.category"])
    assert not [name for name in seen.gradients if name.startswith("heads.category")]
    assert_step(seen, before, reference, seed)


@pytest.mark.parametrize("level", ["embedding", "parameters"])
@pytest.mark.parametrize("aggregator", ["PCGrad", "MGDA", "UPGrad"])
def test_step_aggregates_at_the_level_asked_for(tmp_path, model, tasks, aggregator, level):
    weighting = Aggregation(TASKS, aggregator, {}, level, gives_mean=aggregator != "PCGrad")
    reference = copy.deepcopy(weighting)
    seen, before, seed = first_step(tmp_path, model, tasks, weighting)
    assert_step(seen, before, reference, seed)


@pytest.mark.parametrize(
    "weighting",
    [
        Equal(TASKS),
        Aggregation(TASKS, "Sum", {}, "embedding", gives_mean=False),
        Aggregation(TASKS, "Mean", {}, "parameters", gives_mean=True),
    ],
    ids=["equal", "sum at the embedding", "mean at the parameters"],
)
def test_accumulated_batches_are_one_large_batch(tmp_path, model, tasks, weighting):
    """Three batches of eight leave in the encoder and both heads the gradients of one batch of 24."""
    seen, before, _ = first_step(tmp_path, model, tasks, weighting, accumulate_grad_batches=3)
    logits, labels = [], []
    for batch in seen.batches:
        logits.append(before(batch))
        labels.append(batch.labels)
    whole_logits = {task: torch.cat([part[task] for part in logits]) for task in TASKS}
    whole_labels = {task: torch.cat([part[task] for part in labels]) for task in TASKS}
    assert len(whole_labels["category"]) == 24
    losses, _ = plain_losses(whole_logits, whole_labels)
    named = dict(before.named_parameters())
    expected = dict(zip(named, torch.autograd.grad(losses.sum(), list(named.values())), strict=True))
    assert seen.gradients.keys() == expected.keys()
    for name, gradient in seen.gradients.items():
        torch.testing.assert_close(gradient, expected[name], **CLOSE)


@pytest.mark.parametrize("option", ["equal", "pcgrad", "gradnorm", "upgrad"])
def test_step_in_half_precision_has_nearly_the_gradients_of_full(tmp_path, model, tasks, option):
    full, _, _ = first_step(tmp_path, copy.deepcopy(model), tasks, make(option))
    half, _, _ = first_step(tmp_path, model, tasks, make(option), precision="bf16-mixed")
    for part in ("encoder.", "heads.category.", "heads.sentiment."):
        ours, theirs = (
            torch.cat([gradient.flatten() for name, gradient in seen.gradients.items() if name.startswith(part)])
            for seen in (half, full)
        )
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() < 0.05 * theirs.norm(), part


@pytest.mark.parametrize("option", ["pcgrad", "nash_mtl", "gradnorm"])
def test_weighting_steps_aside_in_one_line_with_nothing_shared_to_train(tmp_path, make_encoder, tasks, option, caplog):
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


class Losses(Callback):
    def __init__(self, step=None, path=None):
        self.values, self.step, self.path = [], step, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(outputs["loss"].item())
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_weighting_of_a_stopped_run_resumes_bit_for_bit(tmp_path, make_encoder, tasks, option):
    def run(losses, resume=None):
        torch.manual_seed(0)
        module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks, weighting=make(option))
        trainer = make_trainer(tmp_path, max_epochs=3, callbacks=[losses])
        fit_and_test(module, make_data(tasks, train=16), trainer, resume)
        return module.state_dict()

    whole, rest = Losses(3, tmp_path / "step.ckpt"), Losses()  # two steps an epoch
    expected, resumed = run(whole), run(rest, tmp_path / "step.ckpt")
    assert rest.values == whole.values[3:]
    tensors = {name: value for name, value in expected.items() if isinstance(value, torch.Tensor)}
    assert all(torch.equal(value, resumed[name]) for name, value in tensors.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_no_number_stops_the_run_and_says_where(tmp_path, model, tasks, value):
    class Spoil(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 3:
                pl_module.model.heads["sentiment"][1].bias.data[:1] = value

    module = make_module(model, tasks)
    with pytest.raises(
        UserError, match=r"loss of 'sentiment' is (nan|inf) at step 3, .* sentences (\d+, ){7}\d+; lower"
    ):
        make_trainer(tmp_path, callbacks=[Spoil()]).fit(module, make_data(tasks))
