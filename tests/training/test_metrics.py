import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch.nn.functional import cross_entropy
from torchmetrics import Metric

from polyhead.tasks import MISSING, Task, make_kind
from polyhead.training.metrics import TaskMetrics, scalars

TASK = Task("category", ("a", "b", "c", "d"))


def computed(logits, labels, batch=10):
    metrics = TaskMetrics(TASK)
    for start in range(0, len(labels), batch):
        x, y = logits[start : start + batch], labels[start : start + batch]
        rows = (y != MISSING).sum()
        loss = cross_entropy(x, y, ignore_index=MISSING, reduction="sum") / rows.clamp(min=1)
        metrics.update(x, y, loss, rows)
    return metrics.compute()


@pytest.mark.parametrize("classes", [4, 3])  # with 3, one class occurs nowhere
def test_metrics_equal_those_of_scikit_learn(classes):
    logits, labels = torch.randn(203, 4), torch.randint(0, classes, (203,))
    logits[:, classes:] = -100
    labels[::7] = MISSING
    ours = computed(logits, labels)
    known = labels != MISSING
    truth, guess = labels[known], logits[known].argmax(1)
    average = {"average": "macro", "zero_division": 0}
    assert ours["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, guess))
    assert ours["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(truth, guess, **average))
    assert ours["macro_precision"] == pytest.approx(sklearn_metrics.precision_score(truth, guess, **average))
    assert ours["macro_recall"] == pytest.approx(sklearn_metrics.recall_score(truth, guess, **average))
    by_class = sklearn_metrics.f1_score(truth, guess, labels=range(4), average=None, zero_division=0)
    assert list(ours["f1"].values()) == pytest.approx(by_class.tolist())
    assert ours["confusion"] == sklearn_metrics.confusion_matrix(truth, guess, labels=range(4)).tolist()
    assert ours["loss"] == pytest.approx(cross_entropy(logits[known], truth).item(), rel=1e-5)


def test_metrics_do_not_depend_on_the_size_of_batches():
    logits, labels = torch.randn(100, 4), torch.randint(0, 4, (100,))
    labels[:30] = MISSING
    one, other = computed(logits, labels, batch=100), computed(logits, labels, batch=9)
    assert one["loss"] == pytest.approx(other["loss"])
    assert one["confusion"] == other["confusion"]


def test_metrics_join_what_is_pending_and_what_was_flushed(monkeypatch):
    monkeypatch.setattr(TaskMetrics, "MOST_PENDING", 25)
    logits, labels = torch.randn(100, 4), torch.randint(0, 4, (100,))
    assert computed(logits, labels, batch=10)["confusion"] == computed(logits, labels, batch=100)["confusion"]


def test_metrics_are_reset_by_computing():
    metrics = TaskMetrics(TASK)
    good, bad = torch.eye(4), torch.eye(4).flip(0)
    for logits, accuracy in ((good, 1.0), (bad, 0.0)):
        metrics.update(logits, torch.arange(4), torch.tensor(1.0), torch.tensor(4))
        assert metrics.compute()["accuracy"] == accuracy


def test_scalars_have_names_and_the_mean_over_tasks():
    results = {
        "category": {"accuracy": 0.5, "macro_f1": 0.25, "f1": {"a": 0.1}, "confusion": [[1]]},
        "sentiment": {"accuracy": 0.75, "macro_f1": 0.75, "f1": {"b": 0.2}, "confusion": [[1]]},
    }
    assert scalars("test", results) == {
        "test/category/accuracy": 0.5,
        "test/category/macro_f1": 0.25,
        "test/category/f1/a": 0.1,
        "test/sentiment/accuracy": 0.75,
        "test/sentiment/macro_f1": 0.75,
        "test/sentiment/f1/b": 0.2,
        "test/macro_f1": 0.5,
    }


def test_scalars_of_nothing_measured_are_none():
    assert scalars("test", {}) == {}


@pytest.mark.parametrize("kind", ["single_label", "ordinal", "multi_label", "number", "similarity", "contrastive"])
def test_process_without_a_labelled_row_has_the_scores_of_the_others(kind):
    labels = () if kind in ("number", "similarity", "contrastive") else ("a", "b", "c")
    task = Task("it", labels, make_kind("it", kind, {}))
    logits = torch.randn(6, task.width or 8)
    missing = torch.tensor(task.kind.missing(task.labels)).expand(6, *torch.tensor(task.kind.missing(labels)).shape)
    targets = torch.arange(6.0) if task.kind.dtype == "float32" else torch.randint(0, 2, missing.shape)
    sent = []

    def send(tensor, group=None):
        sent.append(tensor)
        return [tensor]

    def receive(tensor, group=None):
        other = sent.pop(0)
        assert (tensor.dtype, tensor.shape[1:]) == (other.dtype, other.shape[1:])
        return [tensor, other]

    results = []
    for exchange, given, rows in ((send, targets, 6), (receive, missing, 0)):
        metrics = TaskMetrics(task)
        for metric in metrics.modules():
            if isinstance(metric, Metric):
                metric.distributed_available_fn, metric.dist_sync_fn = (lambda: True), exchange
        metrics.update(logits, given, torch.tensor(0.5 * bool(rows)), torch.tensor(rows))
        results.append(metrics.compute())
    assert not sent
    assert results[0] == results[1]
