import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.models import random_batch
from support.training import OPTIMIZATION, make_data, make_module, make_trainer
from torch import nn

from polyhead.errors import UserError
from polyhead.objectives.losses import MultiTaskLoss, class_weights
from polyhead.objectives.weighting import Fixed, Uncertainty
from polyhead.training.fit import fit_and_test

FROZEN = {
    "none": [],
    "backbone": ["encoder"],
    "category_head": ["heads.category"],
    "sentiment_head": ["heads.sentiment"],
    "embeddings": ["encoder.embeddings"],
    "lower_layers": ["encoder.embeddings", "encoder.layers[:2]"],
}
PREFIXES = {
    "none": (),
    "backbone": ("encoder.",),
    "category_head": ("heads.category.",),
    "sentiment_head": ("heads.sentiment.",),
    "embeddings": ("encoder.transformer.embeddings.",),
    "lower_layers": (
        "encoder.transformer.embeddings.",
        "encoder.transformer.encoder.layer.0.",
        "encoder.transformer.encoder.layer.1.",
    ),
}


def snapshot(module):
    return {name: p.detach().clone() for name, p in module.model.named_parameters()}


@pytest.mark.parametrize("freeze", FROZEN)
def test_freezing_moves_exactly_the_intended_parameters_bit_for_bit(tmp_path, model, tasks, freeze):
    module = make_module(model, tasks, FROZEN[freeze])
    before = snapshot(module)
    make_trainer(tmp_path).fit(module, make_data(tasks))
    moved = {name for name, value in snapshot(module).items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if not name.startswith(PREFIXES[freeze] or "none")}


class Recorder(Callback):
    """Keeps what the encoder gives for one batch, before every training step."""

    def __init__(self):
        self.batch = random_batch()
        self.embeddings, self.modes = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        with torch.no_grad():
            self.embeddings.append(pl_module.model.encoder(self.batch.input_ids, self.batch.attention_mask))
        self.modes.append({name: m.training for name, m in pl_module.model.named_modules()})


def test_frozen_encoder_gives_the_same_output_throughout_fit(tmp_path, model, tasks):
    recorder = Recorder()
    make_trainer(tmp_path, callbacks=[recorder]).fit(make_module(model, tasks, ["encoder"]), make_data(tasks))
    assert len(recorder.embeddings) == 12
    assert all(torch.equal(other, recorder.embeddings[0]) for other in recorder.embeddings[1:])


@pytest.mark.slow
@pytest.mark.parametrize("freeze", FROZEN)
def test_dropout_is_off_in_the_frozen_and_on_in_the_trained_in_every_epoch(tmp_path, model, tasks, freeze):
    module, recorder = make_module(model, tasks, FROZEN[freeze]), Recorder()
    make_trainer(tmp_path, callbacks=[recorder]).fit(module, make_data(tasks))
    for name, training in recorder.modes[0].items():
        part = model.get_submodule(name)
        if list(part.children()) or isinstance(part, nn.ModuleList):  # an empty one has no mode of its own
            continue
        assert training == (not name.startswith(PREFIXES[freeze] or "none")), name
    assert all(modes == recorder.modes[0] for modes in recorder.modes)


def test_fresh_encoder_in_evaluation_mode_trains_with_dropout(tmp_path, model, tasks):
    assert not model.encoder.training  # as transformers hands it over
    make_module(model, tasks)
    assert all(m.training for m in model.modules())


@pytest.mark.slow
def test_training_learns_sixteen_sentences(tmp_path, model, tasks):
    data = make_data(tasks, train=16)
    data.splits["validation"] = data.split("train")  # the same sentences: can it learn at all?
    make_trainer(tmp_path, max_epochs=60).fit(module := make_module(model, tasks), data)
    accuracy = {task: values["accuracy"] for task, values in module.results["validation"].items()}
    assert accuracy == {"category": 1.0, "sentiment": 1.0}


def test_log_has_the_names_that_charts_and_reports_use(tmp_path, model, tasks):
    trainer = make_trainer(tmp_path)
    trainer.fit(make_module(model, tasks), make_data(tasks))
    logged = set(trainer.logged_metrics)
    for task in ("category", "sentiment"):
        assert {f"train/{task}/loss", f"weights/{task}", f"train/{task}/macro_f1"} <= logged
        kinds = ("accuracy", "macro_f1", "macro_precision", "macro_recall", "loss")
        assert {f"validation/{task}/{kind}" for kind in kinds} <= logged
    assert {"train/loss", "validation/macro_f1", "validation/category/f1/Riddle"} <= logged
    assert set(trainer.progress_bar_metrics) == {"loss"}
    assert "loss" not in logged


def test_logged_total_is_the_weighted_sum_of_the_logged_losses(tmp_path, model, tasks):
    trainer = make_trainer(tmp_path)
    weighting = Fixed(["category", "sentiment"], {"category": 0.25, "sentiment": 3.0})
    trainer.fit(make_module(model, tasks, weighting=weighting), make_data(tasks))
    values = trainer.logged_metrics
    assert (values["weights/category"], values["weights/sentiment"]) == (0.25, 3.0)
    total = 0.25 * values["train/category/loss"] + 3.0 * values["train/sentiment/loss"]
    torch.testing.assert_close(values["train/loss"], total)
    assert trainer.progress_bar_metrics["loss"] == pytest.approx(total.item())


def test_learned_weighting_is_trained_and_saved(tmp_path, model, tasks):
    module = make_module(model, tasks, ["encoder"], weighting=Uncertainty(["category", "sentiment"]))
    make_trainer(tmp_path).fit(module, make_data(tasks))
    assert (module.weighting.weights() != 1).all()
    assert "weighting.log_variances" in module.state_dict()


def test_missing_labels_train_both_heads(tmp_path, model, tasks):
    module = make_module(model, tasks)
    before = snapshot(module)
    data = make_data(tasks, unlabelled={"sentiment": 2, "category": 3})
    make_trainer(tmp_path).fit(module, data)
    assert all(not torch.equal(value, before[name]) for name, value in snapshot(module).items())


def test_task_without_any_label_gets_no_gradient(tmp_path, model, tasks):
    module = make_module(model, tasks)
    before = snapshot(module)
    optimization = OPTIMIZATION.__class__(**{**OPTIMIZATION.__dict__, "weight_decay": 0.0})
    module.optimization = optimization
    make_trainer(tmp_path).fit(module, make_data(tasks, unlabelled={"sentiment": 1}))
    still = {name for name, value in snapshot(module).items() if torch.equal(value, before[name])}
    assert still == {"heads.sentiment.1.weight", "heads.sentiment.1.bias"}


class Gradients(Callback):
    """Keeps the gradients of each step, before and after they are clipped."""

    def __init__(self):
        self.before, self.after = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.before.append(gradients_of(pl_module))

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        if gradients := gradients_of(pl_module):  # of the step before
            self.after.append(gradients)


def gradients_of(module):
    return [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("algorithm", [None, "norm", "value"])
def test_gradients_are_clipped(tmp_path, model, tasks, precision, algorithm):
    kept, most = Gradients(), 1e-3
    clipping = {"gradient_clip_val": most, "gradient_clip_algorithm": algorithm}
    trainer = make_trainer(tmp_path, callbacks=[kept], precision=precision, max_epochs=1, **clipping)
    trainer.fit(make_module(model, tasks), make_data(tasks))

    def size(gradients):
        return (
            max(g.abs().max() for g in gradients) if algorithm == "value" else torch.nn.utils.get_total_norm(gradients)
        )

    assert max(map(size, kept.before)) > most
    assert kept.after
    assert max(map(size, kept.after)) <= most * 1.001


def test_training_without_an_end_is_refused(tmp_path, model, tasks):
    with pytest.raises(UserError, match="the schedule needs an end"):
        make_trainer(tmp_path, max_epochs=-1).fit(make_module(model, tasks), make_data(tasks))


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [[], ["encoder"]])
def test_seed_gives_the_same_run(tmp_path, make_encoder, tasks, frozen):
    def train():
        L.seed_everything(0, workers=True, verbose=False)
        from polyhead.models.multitask import MultiTaskModel

        module = make_module(MultiTaskModel(make_encoder(), tasks, 0.1), tasks, frozen)
        make_trainer(tmp_path).fit(module, make_data(tasks))
        return snapshot(module)

    first, second = train(), train()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_class_weights_come_from_the_training_labels(tmp_path, model, tasks):
    module = make_module(model, tasks)
    module.loss = MultiTaskLoss(0.0, {"category": 0.9}, 0.0, tasks)
    fit_and_test(module, make_data(tasks, train=47), make_trainer(tmp_path, max_epochs=1), resume=None)
    expected = class_weights(np.array([16, 16, 15]), 0.9)
    np.testing.assert_allclose(module.loss.weights_category.numpy(), expected, rtol=1e-6)
    assert module.loss.weights_sentiment is None
