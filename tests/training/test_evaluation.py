import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.training import make_data, make_module, make_trainer
from torch.nn.functional import cross_entropy

from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import MISSING


class Seen(Callback):
    """Keeps the evaluated split that callbacks are shown, batch by batch."""

    def __init__(self):
        self.splits, self.logits, self.labels = [], [], []

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.splits.append(pl_module.evaluated_split)
        self.logits.append(outputs)
        self.labels.append(batch.labels)


def joined(parts, task):
    return torch.cat([part[task] for part in parts])


def test_results_are_those_of_the_models_logits(tmp_path, model, tasks):
    module, data, seen = make_module(model, tasks), make_data(tasks, unlabelled={"sentiment": 3}), Seen()
    make_trainer(tmp_path, callbacks=[seen]).test(module, data, verbose=False)
    for task in ("category", "sentiment"):
        logits, labels = joined(seen.logits, task), joined(seen.labels, task)
        known = labels != MISSING
        values = module.results["test"][task]
        assert len(labels) == 24
        assert values["accuracy"] == pytest.approx((logits.argmax(1) == labels)[known].float().mean().item())
        assert values["loss"] == pytest.approx(cross_entropy(logits[known], labels[known]).item(), rel=1e-5)
        assert sum(map(sum, values["confusion"])) == known.sum()
        assert {"ece", "ece_scaled", "temperature", "reliability"} <= values.keys()


def test_results_and_log_have_the_name_of_the_test_set(tmp_path, model, tasks):
    module, data, seen = make_module(model, tasks), make_data(tasks), Seen()
    trainer = make_trainer(tmp_path, callbacks=[seen])
    trainer.test(module, data, verbose=False)
    assert trainer.logged_metrics["test/macro_f1"] > 0
    with module.evaluating("news"):
        trainer.test(module, data.evaluation_loader("validation"), verbose=False)
    assert set(seen.splits) == {"test", "news"}
    assert all(name.startswith("news/") for name in trainer.logged_metrics)
    assert module.results.keys() == {"test", "news"}
    trainer.validate(module, data, verbose=False)
    names = ("accuracy", "macro_f1", "loss", "confusion")
    for task in ("category", "sentiment"):
        validation, news = module.results["validation"][task], module.results["news"][task]
        assert all(validation[name] == news[name] for name in names)
        assert news["confusion"] != module.results["test"][task]["confusion"]


def test_evaluated_split_is_test_again_after_an_error(model, tasks):
    module = make_module(model, tasks)
    assert module.evaluated_split == "test"

    def fail():
        with module.evaluating("news"):
            assert module.evaluated_split == "news"
            raise RuntimeError("full disk")

    with pytest.raises(RuntimeError, match="full disk"):
        fail()
    assert module.evaluated_split == "test"


def test_evaluated_split_is_set_in_one_place_only(model, tasks):
    with pytest.raises(AttributeError):
        make_module(model, tasks).evaluated_split = "news"


def test_validation_reports_plain_cross_entropy_whatever_training_minimizes(tmp_path, model, tasks):
    module = make_module(model, tasks, ["encoder", "heads.category"])
    module.loss = MultiTaskLoss(0.0, 0.0, 50.0, tasks)  # so focused that nearly nothing is left
    data = make_data(tasks, unlabelled={"sentiment": 2})
    trainer = make_trainer(tmp_path, max_epochs=1)
    trainer.fit(module, data)
    assert trainer.logged_metrics["train/category/loss"] < 1e-3
    logits = module.eval().model(next(iter(data.evaluation_loader("validation"))))
    assert logits["category"].shape == (16, 3)
    assert module.results["validation"]["category"]["loss"] > 0.5


def test_task_without_a_label_is_not_measured(tmp_path, model, tasks):
    module, data = make_module(model, tasks), make_data(tasks, unlabelled={"sentiment": 1})
    trainer = make_trainer(tmp_path)
    trainer.test(module, data, verbose=False)
    assert module.results["test"].keys() == {"category"}
    assert not [name for name in trainer.logged_metrics if "sentiment" in name]
    assert trainer.logged_metrics["test/macro_f1"] == pytest.approx(module.results["test"]["category"]["macro_f1"])


def test_metrics_start_again_with_each_evaluation(tmp_path, model, tasks):
    module, data = make_module(model, tasks), make_data(tasks)
    results = []
    for _ in range(2):
        make_trainer(tmp_path).test(module, data, verbose=False)
        results.append(module.results["test"])
    assert results[0] == results[1]
    assert results[0] is not results[1]
