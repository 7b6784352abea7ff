"""The kinds about two texts have the losses of sentence-transformers, in value and gradient, and its metrics."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    MultipleNegativesRankingLoss,
    SoftmaxLoss,
)
from torch.nn.functional import normalize
from torchmetrics.functional.retrieval import retrieval_reciprocal_rank

from polyhead.errors import UserError
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import Task, is_labelled, make_kind, make_tasks
from polyhead.tasks.retrieval import Retrieval, reciprocal_ranks
from polyhead.training.metrics import TaskMetrics

HIDDEN = 6


def task_of(kind, **settings):
    labels = ("yes", "maybe", "no") if kind == "entailment" else ()
    if kind == "similarity":
        settings = {"low": 0.0, "high": 5.0} | settings
    return Task("pairly", labels, make_kind("pairly", kind, settings))


class Given(torch.nn.Module):
    """In place of a sentence transformer: texts that are embeddings already."""

    device = torch.device("cpu")

    def forward(self, features):
        return {"sentence_embedding": features["given"]}

    def get_embedding_dimension(self):
        return HIDDEN

    get_sentence_embedding_dimension = get_embedding_dimension


def embeddings(rows):
    return [torch.randn(rows, HIDDEN, dtype=torch.double, requires_grad=True) for _ in range(2)]


def theirs(loss, first, second, labels):
    return loss([{"given": first}, {"given": second}], labels)


def check_equal(task, reference, first, second, targets, labels):
    """Compare the mean of the loss and its gradients with those of the reference."""
    ours = task.kind.row_losses(task.kind.features(first, second), targets).sum() / is_labelled(targets).sum()
    expected = theirs(reference, first, second, labels)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    found, wanted = (torch.autograd.grad(loss, [first, second]) for loss in (ours, expected))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert all((gradient != 0).any() for gradient in found)


def test_similarity_has_the_cosine_loss_of_sentence_transformers():
    task, (first, second) = task_of("similarity"), embeddings(7)
    scores = torch.linspace(0, 5, 7).tolist()
    targets = torch.from_numpy(task.targets([str(score) for score in scores])).double()
    check_equal(task, CosineSimilarityLoss(Given()), first, second, targets, torch.tensor(scores).double() / 5)


def test_similarity_has_the_cosent_loss_of_sentence_transformers():
    task, (first, second) = task_of("similarity", loss="cosent"), embeddings(7)
    scores = torch.tensor([0.0, 0.5, 0.5, 1.0, 0.25, 0.75, 0.0]).double()
    check_equal(task, CoSENTLoss(Given()), first, second, scores, scores)


def test_contrastive_has_the_ranking_loss_of_sentence_transformers():
    task, (first, second) = task_of("contrastive"), embeddings(7)
    check_equal(task, MultipleNegativesRankingLoss(Given()), first, second, torch.ones(7).double(), None)


def test_entailment_has_the_softmax_loss_of_sentence_transformers():
    task, (first, second) = task_of("entailment"), embeddings(7)
    reference = SoftmaxLoss(Given(), HIDDEN, num_labels=3).double()
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 2])
    features = task.kind.features(first, second)
    assert features.shape == (7, task.kind.feature_size(HIDDEN)) == (7, 3 * HIDDEN)
    ours = task.kind.row_losses(reference.classifier(features), labels).mean()
    expected = theirs(reference, first, second, labels)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    found, wanted = (torch.autograd.grad(loss, [first, second], retain_graph=True) for loss in (ours, expected))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings"), [("similarity", {}), ("similarity", {"loss": "cosent"}), ("contrastive", {})]
)
def test_pair_kind_learns_from_labelled_pairs_as_if_there_were_no_others(kind, settings):
    task, (first, second) = task_of(kind, **settings), embeddings(6)
    cells = ["1", None, "1", "1", None, "1"] if kind == "contrastive" else ["0", None, "5", "2", None, "3"]
    targets = torch.from_numpy(task.targets(cells)).double()
    known = is_labelled(targets)
    losses = task.kind.row_losses(task.kind.features(first, second), targets)
    alone = task.kind.row_losses(task.kind.features(first[known], second[known]), targets[known])
    torch.testing.assert_close(losses[known], alone)
    assert (losses[~known] == 0).all()
    gradients = torch.autograd.grad(losses.sum(), [first, second])
    assert all((gradient[~known] == 0).all() and (gradient[known] != 0).any() for gradient in gradients)


@pytest.mark.parametrize("kind", ["similarity", "contrastive"])
def test_pair_kind_has_no_loss_and_finite_gradients_where_no_row_is_a_pair(kind):
    task = task_of(kind)
    first = torch.randn(3, HIDDEN, requires_grad=True)
    logits = task.kind.features(first, torch.zeros(3, HIDDEN))
    losses = task.kind.row_losses(logits, torch.full((3,), torch.nan))
    (gradient,) = torch.autograd.grad(losses.sum(), first)
    assert losses.tolist() == [0, 0, 0]
    assert (gradient == 0).all()


def test_similarity_takes_its_scale_from_the_training_scores():
    (task,) = make_tasks({"sts": "similarity"})
    kind = task.kind.fitted((), ["1", None, "5", "2"])
    assert (kind.low, kind.high) == (1.0, 5.0)
    np.testing.assert_allclose(kind.targets((), ["1", "3", "5", None]), [0, 0.5, 1, np.nan])
    np.testing.assert_allclose(kind.restore(kind.targets((), ["1", "3"])), [1, 3])
    assert task_of("similarity", low=0, high=None).kind.fitted((), ["1", "4"]).high == 4
    with pytest.raises(UserError, match="its training scores are all 2; leave the task out, or set low and high"):
        task.kind.fitted((), ["2", "2"])


def test_similarity_is_measured_as_scipy_does():
    task, cosines = task_of("similarity"), torch.rand(40, 1)
    targets = torch.rand(40).round(decimals=1)
    metrics = TaskMetrics(task)
    metrics.update(cosines, targets, torch.tensor(1.0), torch.tensor(40))
    found = metrics.compute()
    assert found["spearman"] == pytest.approx(spearmanr(cosines[:, 0], targets).statistic, abs=1e-5)
    assert found["pearson"] == pytest.approx(pearsonr(cosines[:, 0], targets).statistic, abs=1e-5)
    score = task.kind.score(task.kind.restore(targets.numpy()), task.kind.outputs(cosines.numpy(), {}))
    assert score == pytest.approx(found["spearman"], abs=1e-5)


def test_contrastive_ranks_as_torchmetrics_does():
    first, second = (normalize(torch.randn(30, HIDDEN), dim=1) for _ in range(2))
    found = reciprocal_ranks(torch.cat([first, second], dim=1))
    for row, cosines in enumerate(first @ second.T):
        expected = retrieval_reciprocal_rank((cosines + 1) / 2, torch.arange(30) == row)
        assert found[row] == pytest.approx(expected.item())


def test_contrastive_is_measured_over_all_pairs_that_are_added():
    task = task_of("contrastive")
    logits = task.kind.features(*(torch.randn(12, HIDDEN) for _ in range(2)))
    targets = torch.from_numpy(task.targets(["1"] * 9 + ["0", None, "1"]))
    metrics = TaskMetrics(task)
    for part in (slice(0, 5), slice(5, 12)):
        metrics.update(logits[part], targets[part], torch.tensor(1.0), is_labelled(targets[part]).sum())
        metrics._flush()
    found = metrics.compute()
    ranks = task.kind.judged(logits.numpy(), targets.numpy())
    assert np.isnan(ranks).tolist() == [False] * 9 + [True, True, False]
    assert found["mrr"] == pytest.approx(np.nanmean(ranks)) == task.kind.score(None, ranks[~np.isnan(ranks)])
    assert found["accuracy_at_1"] == pytest.approx(np.mean(ranks[~np.isnan(ranks)] == 1))


def test_retrieval_finds_nothing_where_all_texts_are_alike():
    ranks = reciprocal_ranks(torch.ones(99, 2))
    assert ranks.tolist() == [pytest.approx(1 / 50)] * 99


def test_retrieval_keeps_no_more_than_its_limit():
    metric = Retrieval("mrr")
    metric.limit = 5
    for _ in range(3):
        metric.update(torch.randn(3, 4), torch.ones(3))
    assert sum(map(len, metric.pairs)) == 5


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("similarity", {"loss": "cubic"}, "tasks.pairly.loss: unknown 'cubic'"),
        ("similarity", {"low": 5.0, "high": 5.0}, "tasks.pairly.high: 5.0 given; it must be above low"),
        ("similarity", {"low": True}, "tasks.pairly.low: True given"),
        ("contrastive", {"scale": 0}, "tasks.pairly.scale: 0 given; it must be above 0"),
    ],
)
def test_pair_kind_refuses_options_that_mean_nothing(kind, settings, message):
    with pytest.raises(UserError, match=message):
        task_of(kind, **settings)


def test_contrastive_reads_1_and_0():
    task = task_of("contrastive")
    np.testing.assert_array_equal(task.targets(["1", "true", "Yes", "0", "no", None]), [1, 1, 1] + [np.nan] * 3)
    with pytest.raises(UserError, match="tasks.pairly: '0.7' given; it must be 1 where the two texts belong together"):
        task.index("0.7")


@pytest.mark.parametrize("task", [task_of("similarity", loss="cosent"), task_of("contrastive")])
def test_row_of_weight_zero_is_left_out_of_the_losses_of_other_rows(task):
    first, second = embeddings(8)
    logits = task.kind.features(first, second)
    targets = torch.ones(8) if task.kind.name == "contrastive" else torch.linspace(0, 1, 8)
    weights = torch.ones(8)
    weights[[1, 5]] = 0.0
    kept = weights > 0
    loss = MultiTaskLoss(tasks=[task])
    weighted, rows = loss({"pairly": logits}, {"pairly": targets}, weights)
    without, expected = loss({"pairly": logits[kept]}, {"pairly": targets[kept]})
    torch.testing.assert_close(weighted, without)
    assert rows.tolist() == expected.tolist() == [6]
