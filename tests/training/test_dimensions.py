"""Widths in training: the loss and the held embedding at each, what is measured there, and exact resumption."""

import copy

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.kinds import TASKS
from support.training import FirstStep, make_data, make_module, make_trainer, without_dropout
from torch.nn.functional import normalize

from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize
from polyhead.objectives import CosineDistance, MultiTaskLoss, SimilarityGap
from polyhead.tasks import Task, make_kind
from polyhead.training.dimension_scores import dimension_scores
from polyhead.training.fit import fit_and_test
from polyhead.training.metrics import TaskMetrics

SIZES = (16, 8, 3)


def nested(make_encoder, tasks, **settings):
    return MultiTaskModel(make_encoder(**settings), tasks, dropout=0.0, dimensions=SIZES)


@pytest.mark.parametrize("top", [(), (Normalize(),)], ids=["as pooled", "of length 1"])
def test_first_step_has_the_gradient_of_the_mean_over_the_widths(tmp_path, make_encoder, tasks, top):
    model = without_dropout(nested(make_encoder, tasks, top=top))
    before, seen = copy.deepcopy(model).train(), FirstStep()
    make_trainer(tmp_path, callbacks=[seen], max_steps=1, max_epochs=-1).fit(
        make_module(model, tasks), make_data(tasks)
    )
    (batch,) = seen.batches
    embeddings, loss = before.embed(batch), MultiTaskLoss(0.0, 0.0, 0.0, tasks)
    total = 0.0
    for size in SIZES:
        some = embeddings[:, :size]
        some = normalize(some, dim=1) if top else some
        logits = {}
        for task in tasks:
            head = before.heads[task.name][1]
            logits[task.name] = before.scale * some @ head.weight[:, :size].T + head.bias
        total = total + loss(logits, batch.labels)[0].sum() / len(SIZES)
    named = dict(before.named_parameters())
    expected = dict(zip(named, torch.autograd.grad(total, list(named.values())), strict=True))
    for name, gradient in seen.gradients.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5)


def test_whole_width_alone_takes_the_step_of_no_widths(tmp_path, make_encoder, tasks):
    weights = []
    for dimensions in (None, [16]):
        torch.manual_seed(0)
        model = MultiTaskModel(make_encoder(), tasks, dropout=0.1, dimensions=dimensions)
        make_trainer(tmp_path, max_steps=2, max_epochs=-1).fit(make_module(model, tasks), make_data(tasks))
        weights.append(model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_held_similarities_of_each_width_are_those_of_the_whole():
    loss, rows, targets = SimilarityGap(1.0), torch.randn(6, 16), torch.randn(6, 16)
    expected = sum(loss(rows[:, :size], targets) for size in SIZES) / len(SIZES)
    torch.testing.assert_close(loss.at_widths(rows, targets, SIZES), expected)
    assert torch.equal(loss.at_widths(rows, targets, ()), loss(rows, targets))


def test_held_directions_of_each_width_are_its_own():
    loss, rows, targets = CosineDistance(1.0), torch.randn(6, 16), torch.randn(6, 16)
    expected = sum(loss(rows[:, :size], targets[:, :size]) for size in SIZES) / len(SIZES)
    torch.testing.assert_close(loss.at_widths(rows, targets, SIZES), expected)


def test_results_at_a_width_are_those_of_the_cut_logits(make_encoder):
    model = nested(make_encoder, TASKS).eval()
    generator = torch.Generator().manual_seed(3)
    splits = {}
    for name, rows in (("test", 30), ("validation", 50)):
        labels = {
            "tone": torch.randint(0, 2, (rows,), generator=generator),
            "stars": torch.randn(rows, generator=generator),
            "tags": torch.randint(0, 2, (rows, 3), generator=generator),
            "grade": torch.randint(0, 4, (rows,), generator=generator),
        }
        splits[name] = torch.randn(rows, 16, generator=generator), None, labels
    found = dimension_scores(model, TASKS, splits, SIZES[1:])
    assert found.keys() == {"8", "3"}
    for size in SIZES[1:]:
        embeddings, _, labels = splits["test"]
        for task in TASKS:
            results = found[str(size)]["test"][task.name]
            with torch.no_grad():
                logits = model.classify_task(task.name, embeddings[:, :size])
            metrics = TaskMetrics(task)
            metrics.update(logits, labels[task.name], torch.tensor(1.0), torch.tensor(30))
            plain = metrics.compute()
            shared = [
                name for name in task.kind.measures if name not in task.kind.fit_measures and task.kind.fits == ""
            ]
            assert all(results[name] == pytest.approx(plain[name]) for name in shared)
            assert "f1" not in results
        fitted = found[str(size)]
        assert fitted["test"]["tone"]["temperature"] == fitted["validation"]["tone"]["temperature"] != 1
        assert fitted["test"]["tone"]["accuracy"] == pytest.approx(
            float((model.classify_task("tone", embeddings[:, :size]).argmax(dim=1) == labels["tone"]).float().mean())
        )
        assert len(fitted["validation"]["tags"]["thresholds"]) == 3


def test_loss_of_pairs_at_a_width_is_over_as_many_as_evaluation_takes_together(make_encoder):
    task = Task("same", (), make_kind("same", "contrastive", {}))
    model = nested(make_encoder, [task]).eval()
    embeddings, pairs, targets = torch.randn(40, 16), torch.arange(20), torch.ones(20)
    found = dimension_scores(model, [task], {"test": (embeddings, pairs, {"same": targets})}, [8], batch=10)
    logits = model.classify_task("same", embeddings[:, :8], pairs)
    halves = [task.kind.row_losses(logits[rows], targets[rows]).mean() for rows in (slice(10), slice(10, 20))]
    assert found["8"]["test"]["same"]["loss"] == pytest.approx(float(sum(halves) / 2), rel=1e-5)


@pytest.mark.slow
def test_run_of_several_widths_that_was_stopped_resumes_bit_for_bit(tmp_path, make_encoder, tasks):
    class Save(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "step.ckpt")

    def run(callbacks, resume=None):
        torch.manual_seed(0)
        model = MultiTaskModel(make_encoder(), tasks, dropout=0.1, dimensions=SIZES)
        module = make_module(model, tasks)
        fit_and_test(module, make_data(tasks, train=24), make_trainer(tmp_path, callbacks=callbacks), resume)
        return model.state_dict()

    whole, resumed = run([Save()]), run([], tmp_path / "step.ckpt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
