"""Each kind of task answers the same questions; what holds for all of them, and each against independent references."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sklearn_metrics
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss, mse_loss

from polyhead.errors import UserError
from polyhead.tasks import (
    KINDS,
    MISSING,
    SingleLabel,
    Task,
    answer_cell,
    headline,
    is_labelled,
    make_kind,
    make_tasks,
    overall,
)
from polyhead.training.metrics import TaskMetrics

LABELS = ("low", "middle", "high", "top")
CELLS = {
    "number": ["0.5", "3", "-2.25", "1e3"],
    "multi_label": ["low;top", "[]", '["high"]', "middle"],
    "similarity": ["0", "5", "2.5", "1"],
    "contrastive": ["1"] * 4,
}
ONE_BY_ONE = [name for name, kind in KINDS.items() if not kind.is_judged_whole]


def task_of(kind, **settings):
    """Make a task of any kind."""
    if kind == "number":
        settings = {"mean": 2.0, "spread": 4.0} | settings
    if kind == "similarity":
        settings = {"low": 0.0, "high": 5.0} | settings
    labels = LABELS if KINDS[kind].has_classes else ()
    return Task("kindly", labels, make_kind("kindly", kind, settings))


def cells_of(kind):
    return CELLS.get(kind, [*LABELS])


def test_tasks_are_described_without_torch_and_numpy():
    code = "import sys, polyhead.tasks; print({'torch', 'numpy', 'torchmetrics'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_names_its_metrics_and_its_headline_is_one_of_them(kind):
    task = task_of(kind)
    made = task.kind.metrics(task.labels)
    assert {*task.kind.scores, task.kind.headline} <= {*task.kind.measures} <= {*made}
    assert task.kind.name == kind


@pytest.mark.parametrize("kind", KINDS)
def test_kind_goes_through_a_configuration_and_back(kind):
    task = task_of(kind)
    assert make_tasks({"kindly": task.plain}) == (task,)


@pytest.mark.parametrize("kind", KINDS)
def test_kind_reads_cells_and_gives_them_back_as_answers(kind):
    task, cells = task_of(kind), cells_of(kind)
    targets = task.targets([*cells, None])
    assert is_labelled(targets).tolist() == [True] * len(cells) + [False]
    assert targets.dtype == task.kind.dtype
    np.testing.assert_array_equal(targets, task.as_targets(targets.reshape(-1).view(np.int32), len(targets)))
    answers = task.kind.answers(task.labels, task.kind.restore(targets[:-1]))
    for cell, answer in zip(cells, answers, strict=True):
        assert task.index(str(answer_cell(answer))) == task.index(cell)


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_kind_gives_rows_without_a_label_no_loss_and_no_gradient(kind):
    task = task_of(kind)
    targets = torch.from_numpy(task.targets([*cells_of(kind), None]))
    targets = targets if targets.is_floating_point() else targets.long()
    logits = torch.randn(len(targets), task.width, dtype=torch.double, requires_grad=True)
    losses = task.kind.row_losses(logits, targets)
    assert losses.shape == (len(targets),)
    losses.sum().backward()
    assert losses[-1] == 0
    assert (logits.grad[-1] == 0).all()
    assert (logits.grad[:-1] != 0).any(dim=1).all()
    torch.testing.assert_close(task.kind.summed_loss(logits, targets), losses.sum())


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_kind_has_a_loss_that_is_convex_in_the_logits(kind):
    task = task_of(kind)
    targets = torch.from_numpy(task.targets(cells_of(kind)))
    targets = targets if targets.is_floating_point() else targets.long()
    for _ in range(20):
        one, other = (3 * torch.randn(len(targets), task.width, dtype=torch.double) for _ in range(2))
        middle = task.kind.row_losses((one + other) / 2, targets)
        ends = (task.kind.row_losses(one, targets) + task.kind.row_losses(other, targets)) / 2
        assert (middle <= ends + 1e-9).all()


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_kind_answers_as_its_metrics_count(kind):
    """The headline of what a predictor answers is that which the metrics have of the logits."""
    task = task_of(kind)
    targets = torch.from_numpy(task.targets([cells_of(kind)[i] for i in torch.randint(0, 4, (90,))]))
    targets = targets if targets.is_floating_point() else targets.long()
    logits = torch.randn(90, task.width)
    metrics = TaskMetrics(task)
    metrics.update(logits, targets, task.kind.summed_loss(logits, targets) / 90, torch.tensor(90))
    results = metrics.compute()
    codes = task.kind.codes(task.kind.outputs(logits.numpy(), {}), {})
    assert task.kind.score(task.kind.restore(targets.numpy()), codes) == pytest.approx(headline(results), abs=1e-5)
    assert results.get("kind", SingleLabel.name) == kind


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_kind_resumes_its_metrics_where_another_left_them(kind):
    task = task_of(kind)
    whole, first, second = (TaskMetrics(task) for _ in range(3))
    for number in range(4):
        targets = torch.from_numpy(task.targets([*cells_of(kind), None]))
        targets = targets if targets.is_floating_point() else targets.long()
        logits, loss, rows = torch.randn(5, task.width), torch.tensor(1.0 + number), torch.tensor(4)
        whole.update(logits, targets, loss, rows)
        (first if number < 2 else second).update(logits, targets, loss, rows)
        if number == 1:
            for metrics in (whole, first):
                metrics._flush()
            second.resume(first.progress())
    assert second.compute() == whole.compute()


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_kind_measures_nothing_where_nothing_is_labelled(kind):
    task = task_of(kind)
    targets = torch.from_numpy(task.targets([None, None]))
    metrics = TaskMetrics(task)
    metrics.update(torch.zeros(2, task.width), targets, torch.tensor(0.0), torch.tensor(0))
    assert metrics.compute() == {}


def test_overall_is_macro_f1_only_where_all_tasks_have_it_as_their_headline():
    assert overall([KINDS["single_label"], KINDS["multi_label"]]) == "macro_f1"
    assert overall([KINDS["single_label"], KINDS["number"]]) == "score"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": {"kind": "numbr"}}, "tasks.a.kind: unknown 'numbr'; did you mean 'number'"),
        ({"a": "numbr"}, "'numbr' given; it must be a list of class names, null, or a kind: single_label, number"),
        ({"a": {"kind": "number", "spread": 0}}, "tasks.a.spread: 0 given; it must be above 0"),
        ({"a": {"kind": "number", "mean": True}}, "tasks.a.mean: True given"),
        ({"a": {"kind": "number", "loss": "cube"}}, "tasks.a.loss: unknown 'cube'"),
        ({"a": {"kind": "number", "labels": ["x", "y"]}}, "a number has no classes"),
        ({"a": {"kind": "number", "seperator": ";"}}, "number has no 'seperator'"),
        ({"a": {"kind": "multi_label", "labels": ["x"]}}, "needs at least two"),
        ({"a": {"kind": "multi_label", "labels": ["x", "y"], "separator": ""}}, "tasks.a.separator: '' given"),
        ({"a": {"kind": "ordinal", "labels": ["x"]}}, "needs at least two"),
    ],
)
def test_definition_of_a_kind_is_refused_in_a_line(given, message):
    with pytest.raises(UserError, match=message):
        make_tasks(given)


# number


@pytest.mark.parametrize(("loss", "reference"), [("squared", mse_loss), ("huber", huber_loss)])
def test_number_has_the_loss_of_torch(loss, reference):
    task = task_of("number", loss=loss)
    logits, targets = 2 * torch.randn(40, 1), torch.randn(40)
    torch.testing.assert_close(
        task.kind.row_losses(logits, targets), reference(logits[:, 0], targets, reduction="none")
    )


def test_number_takes_mean_and_spread_from_the_training_cells():
    kind = KINDS["number"]().fitted((), ["1", None, "2", "6"])
    assert (kind.mean, kind.spread) == (3.0, pytest.approx(np.std([1, 2, 6])))
    task = Task("stars", (), kind)
    targets = task.targets(["1", "2", "6", None])
    assert targets[:3].mean() == pytest.approx(0, abs=1e-6)
    assert targets[:3].std() == pytest.approx(1)
    np.testing.assert_allclose(kind.restore(targets), [1, 2, 6, np.nan], rtol=1e-6)
    with pytest.raises(UserError, match="its training numbers are all 2"):
        KINDS["number"]().fitted((), ["2", "2"])


def test_number_is_measured_in_the_unit_of_the_data_as_scipy_and_scikit_learn_do():
    task = task_of("number")
    logits, targets = torch.randn(60, 1), torch.randn(60).round(decimals=1)
    metrics = TaskMetrics(task)
    metrics.update(logits, targets, torch.tensor(1.0), torch.tensor(60))
    found = metrics.compute()
    truth, guess = task.kind.restore(targets.numpy()), task.kind.outputs(logits.numpy(), {})
    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(truth, guess), rel=1e-5)
    assert found["spearman"] == pytest.approx(spearmanr(truth, guess).statistic, abs=1e-5)
    assert found["pearson"] == pytest.approx(pearsonr(truth, guess).statistic, abs=1e-5)
    assert task.kind.score(truth, guess) == pytest.approx(spearmanr(truth, guess).statistic)


@pytest.mark.parametrize("cell", ["one", "1,5", "nan", "inf", "1_000", ""])
def test_number_refuses_cells_that_are_none(cell):
    with pytest.raises(UserError, match="is no number"):
        KINDS["number"]().read((), cell)


def test_number_refuses_cells_that_no_answer_can_be():
    assert KINDS["number"]().read((), "-3.4e38") == -3.4e38
    with pytest.raises(UserError, match="'1.7976931348623157e308' is beyond ±3.4e\\+38, the largest there is"):
        KINDS["number"]().read((), "1.7976931348623157e308")


def test_number_of_a_constant_prediction_ranks_nothing():
    task = task_of("number")
    metrics = TaskMetrics(task)
    metrics.update(torch.zeros(4, 1), torch.randn(4), torch.tensor(1.0), torch.tensor(4))
    found = metrics.compute()
    assert (found["spearman"], found["pearson"]) == (0.0, 0.0)


# multi_label


def test_multi_label_has_the_loss_of_torch():
    task = task_of("multi_label")
    logits, targets = torch.randn(30, 4), torch.randint(0, 2, (30, 4))
    expected = binary_cross_entropy_with_logits(logits, targets.float(), reduction="none").mean(dim=1)
    torch.testing.assert_close(task.kind.row_losses(logits, targets), expected)


def test_multi_label_is_measured_as_scikit_learn_does():
    task = task_of("multi_label")
    logits, targets = torch.randn(80, 4), torch.randint(0, 2, (80, 4))
    metrics = TaskMetrics(task)
    metrics.update(logits, targets, torch.tensor(1.0), torch.tensor(80))
    found = metrics.compute()
    guess = logits.sigmoid() >= 0.5
    for average in ("micro", "macro"):
        expected = sklearn_metrics.f1_score(targets, guess, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected, abs=1e-6)
    precision = sklearn_metrics.average_precision_score(targets, logits.sigmoid(), average="macro")
    assert found["average_precision"] == pytest.approx(precision, abs=1e-5)


def test_multi_label_reads_lists_and_separated_texts_alike():
    task = task_of("multi_label", separator="|")
    assert task.index("low | top") == task.index('["top", "low"]') == [1, 0, 0, 1]
    assert task.index("[]") == [0, 0, 0, 0]
    assert task.index(None) == [MISSING] * 4
    assert task.kind.find("kindly", ["b|a", '["c"]', "a"]) == ["a", "b", "c"]
    with pytest.raises(UserError, match="unknown label 'lowe'; did you mean 'low'"):
        task.index("lowe")


# ordinal


def test_ordinal_has_the_loss_of_corn_by_hand():
    """Of four classes the third: steps 0 and 1 are passed, step 2 is reached and not passed."""
    task = task_of("ordinal")
    logits = torch.tensor([[0.5, -1.0, 2.0], [0.25, 9.0, 9.0]], dtype=torch.double)
    sigmoid = logits.sigmoid()
    third = -(sigmoid[0, 0].log() + sigmoid[0, 1].log() + (1 - sigmoid[0, 2]).log())
    lowest = -(1 - sigmoid[1, 0]).log()  # the steps beyond it do not matter
    torch.testing.assert_close(task.kind.row_losses(logits, torch.tensor([2, 0])), torch.stack([third, lowest]))


def test_ordinal_loss_is_minus_the_logarithm_of_the_probability_that_it_answers():
    task = task_of("ordinal")
    logits, targets = torch.randn(50, 3), torch.randint(0, 4, (50,))
    shares = task.kind.outputs(logits.numpy(), {})
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (shares >= 0).all()
    expected = -np.log(shares[np.arange(50), targets])
    np.testing.assert_allclose(task.kind.row_losses(logits, targets), expected, rtol=1e-4, atol=1e-5)


def test_ordinal_is_measured_as_scikit_learn_does():
    task = task_of("ordinal")
    logits, targets = torch.randn(80, 3), torch.randint(0, 4, (80,))
    metrics = TaskMetrics(task)
    metrics.update(logits, targets, torch.tensor(1.0), torch.tensor(80))
    found, guess = metrics.compute(), task.kind.estimates(logits)
    kappa = sklearn_metrics.cohen_kappa_score(targets, guess, weights="quadratic")
    assert found["kappa"] == pytest.approx(kappa, abs=1e-5)
    assert task.kind.score(targets.numpy(), guess.numpy()) == pytest.approx(kappa)
    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(targets, guess), abs=1e-6)
    assert found["confusion"] == sklearn_metrics.confusion_matrix(targets, guess, labels=range(4)).tolist()


def test_ordinal_finds_the_order_of_numbers_and_asks_for_that_of_words():
    assert KINDS["ordinal"]().find("stars", ["10", "2", "1"]) == ["1", "2", "10"]
    with pytest.raises(UserError, match="tasks.stars: the classes good, poor are no numbers.*from the lowest"):
        KINDS["ordinal"]().find("stars", ["good", "poor"])
