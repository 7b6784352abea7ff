import numpy as np
import pytest
from support.run_folders import LABELS, make_predictions
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from polyhead.runs.report.statistics import accuracy, holm, macro_f1, mean, paired_difference, resampled


def test_a_mean_has_students_interval():
    values = [0.71, 0.74, 0.70]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    found = mean(values)
    assert (found.value - found.margin, found.value + found.margin) == pytest.approx((low, high))
    assert found.count == 3


def test_a_single_seed_has_no_interval():
    assert mean([0.7]).margin is None


def test_without_rows_the_difference_is_the_paired_t_test():
    ours, theirs = np.array([0.71, 0.74, 0.70]), np.array([0.69, 0.70, 0.69])
    found = paired_difference(list(ours - theirs), None)
    reference = stats.ttest_rel(ours, theirs)
    assert found.p == pytest.approx(reference.pvalue)
    interval = reference.confidence_interval(0.95)
    assert (found.value - found.margin, found.value + found.margin) == pytest.approx((interval.low, interval.high))


def test_one_seed_and_rows_give_the_normal_interval():
    found = paired_difference([0.02], 0.01**2)
    assert (found.margin, found.p) == pytest.approx((1.959964 * 0.01, 2 * stats.norm.sf(2)))


def test_rows_widen_the_interval_of_many_seeds():
    differences = list(np.linspace(0.01, 0.03, 30))
    assert paired_difference(differences, 0.01**2).margin > paired_difference(differences, None).margin


def test_one_seed_without_rows_tells_nothing():
    assert paired_difference([0.02], None) is None


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.1, 0.0)])
def test_no_spread_at_all(value, p):
    assert paired_difference([value, value], None).p == p


def test_not_significant_is_not_as_good():
    wide = paired_difference([-0.10, 0.06], None)
    assert not wide.significant
    assert not wide.not_worse(0.02)
    assert paired_difference([0.001, 0.002, 0.001], None).not_worse(0.02)


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; each at least the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_metrics_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    label, predicted = random.integers(4, size=100), random.integers(3, size=100)
    confusion = confusion_matrix(label, predicted, labels=range(6))  # two classes that never occur
    assert macro_f1(confusion) == pytest.approx(f1_score(label, predicted, average="macro", zero_division=0))
    assert accuracy(confusion) == pytest.approx(accuracy_score(label, predicted))


def columns(arrays, kind):
    return {task: arrays[f"test/{task}/{kind}"] for task in LABELS}


def test_resamples_agree_with_scipys_bootstrap():
    arrays = make_predictions(seed=0, errors=0.3)
    label, predicted = arrays["test/category/label"], arrays["test/category/predicted"]
    ours = resampled(columns(arrays, "label"), columns(arrays, "predicted"), "accuracy", resamples=2000)["category"]
    theirs = stats.bootstrap((label == predicted,), np.mean, n_resamples=2000, method="basic", rng=1)
    assert np.std(ours, ddof=1) == pytest.approx(theirs.standard_error, rel=0.08)
    assert np.mean(ours) == pytest.approx(np.mean(label == predicted), abs=0.003)


def test_equal_labels_give_equal_resamples():
    one, two = make_predictions(seed=0, errors=0.3), make_predictions(seed=1, errors=0.3)
    same = [resampled(columns(a, "label"), columns(one, "predicted"), "macro_f1", 20)["mean"] for a in (one, two)]
    np.testing.assert_array_equal(*same)


def test_rows_without_a_label_do_not_count():
    label = np.array([0, 1, -100] * 20)
    right = {"t": np.where(label < 0, 1, label)}
    assert resampled({"t": label}, right, "accuracy", 50)["t"].min() == 1


@pytest.mark.slow
def test_where_there_is_no_difference_one_is_found_in_five_cases_of_a_hundred():
    """Two systems of equal quality, three seeds each: seeds and rows both make them differ by chance."""
    random, found, cases = np.random.default_rng(0), 0, 300
    for _ in range(cases):
        label = random.integers(2, size=150)
        difficulty = random.beta(2, 5, size=150)  # rows that are hard are hard for all seeds
        differences, by_rows = [], []
        for _ in range(3):
            scores = []
            for _ in range(2):
                wrong = random.random(150) < np.clip(difficulty + random.normal(0, 0.03), 0, 1)
                predicted = np.where(wrong, 1 - label, label)
                scores.append((np.mean(~wrong), resampled({"t": label}, {"t": predicted}, "accuracy", 100)["t"]))
            differences.append(scores[0][0] - scores[1][0])
            by_rows.append(scores[0][1] - scores[1][1])
        found += paired_difference(differences, float(np.var(np.mean(by_rows, axis=0), ddof=1))).p < 0.05
    assert found / cases < 0.08


def test_few_seeds_do_not_make_chance_significant_as_a_bootstrap_over_them_would():
    """Seeds differ by chance much more than rows do: three draws around no difference at all."""
    random, cases = np.random.default_rng(0), 600
    ours = bootstrap = 0
    for _ in range(cases):
        differences = random.normal(0, 1, size=3)
        ours += paired_difference(list(differences), 0.2**2).p < 0.05
        resamples = differences[random.integers(3, size=(200, 3))].mean(axis=1) + random.normal(0, 0.2, size=200)
        low, high = np.percentile(resamples, [2.5, 97.5])
        bootstrap += not low <= 0 <= high
    assert ours / cases < 0.08
    assert bootstrap / cases > 0.12
