import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from support.run_folders import make_predictions

from polyhead.runs.report.statistics import (
    Difference,
    Mean,
    accuracy,
    holm,
    macro_f1,
    mean,
    paired_difference,
    resampled,
)

# mean


def test_mean_has_students_interval():
    values = [0.71, 0.74, 0.70]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    found = mean(values)
    assert (found.value - found.margin, found.value + found.margin) == pytest.approx((low, high))
    assert found.count == 3


def test_mean_of_two_seeds_has_an_interval_and_of_one_has_none():
    # Student's t with one degree of freedom has 0.975 of its mass below 12.706; the standard error is 1.
    assert mean([1.0, 3.0]) == Mean(2.0, pytest.approx(12.706, abs=1e-3), 2)
    assert mean([0.7]) == Mean(0.7, None, 1)


# paired_difference


def interval(difference):
    return difference.value - difference.margin, difference.value + difference.margin


def test_paired_difference_without_rows_is_the_paired_t_test():
    ours, theirs = np.array([0.71, 0.74, 0.70]), np.array([0.69, 0.70, 0.69])
    found = paired_difference(list(ours - theirs), None)
    reference = stats.ttest_rel(ours, theirs)
    assert found.p == found.adjusted_p == pytest.approx(reference.pvalue)
    assert interval(found) == pytest.approx(
        (reference.confidence_interval(0.95).low, reference.confidence_interval(0.95).high)
    )
    assert (found.seeds, found.rows) == (3, False)


def test_paired_difference_with_rows_is_welchs_test_against_a_variance_known_exactly():
    """A second sample of so many values that its variance is certain stands for the variance from rows."""
    differences, row_variance, many = [-0.02, 0.01, -0.04, -0.03], 0.01**2, 10**12
    found = paired_difference(differences, row_variance)
    spread = np.std(differences, ddof=1)
    reference = stats.ttest_ind_from_stats(
        np.mean(differences), spread, 4, 0.0, math.sqrt(row_variance * many), many, equal_var=False
    )
    assert found.p == pytest.approx(reference.pvalue, rel=1e-6)
    assert found.value == pytest.approx(np.mean(differences))
    between = spread**2 / 4
    freedom = 3 * ((between + row_variance) / between) ** 2
    assert found.margin == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(between + row_variance))
    assert (found.seeds, found.rows) == (4, True)


def test_paired_difference_of_one_seed_has_the_normal_interval_of_its_rows():
    found = paired_difference([0.02], 0.01**2)
    assert (found.margin, found.p) == pytest.approx((1.959964 * 0.01, 2 * stats.norm.sf(2)))
    assert (found.seeds, found.rows) == (1, True)


def test_paired_difference_is_less_certain_with_the_choice_of_rows():
    differences = list(np.linspace(0.01, 0.03, 30))
    assert paired_difference(differences, 0.01**2).margin > paired_difference(differences, None).margin


def test_paired_difference_of_one_seed_without_rows_is_unknown():
    assert paired_difference([0.02], None) is None


@pytest.mark.parametrize("row_variance", [None, 0.0])
@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.125, 0.0), (-0.125, 0.0)])
def test_paired_difference_without_any_spread_is_certain(value, p, row_variance):
    expected = Difference(value, 0.0, p, p, 2, row_variance is not None)
    assert paired_difference([value, value], row_variance) == expected


def test_paired_difference_has_the_same_p_whatever_is_subtracted_from_what():
    one, other = paired_difference([0.02, 0.05, -0.01], 1e-4), paired_difference([-0.02, -0.05, 0.01], 1e-4)
    assert (one.p, one.margin, one.value) == pytest.approx((other.p, other.margin, -other.value))


def difference_of(value=0.0, margin=0.0, adjusted_p=0.5):
    return Difference(value, margin, p=0.0, adjusted_p=adjusted_p, seeds=3, rows=True)


@pytest.mark.parametrize(
    ("adjusted_p", "significant"), [(0.0, True), (0.0499, True), (1 - 0.95, False), (0.0501, False)]
)
def test_difference_is_significant_below_five_percent_after_correction(adjusted_p, significant):
    assert difference_of(adjusted_p=adjusted_p).significant is significant


@pytest.mark.parametrize(
    ("value", "margin", "not_worse"),
    [
        (0.0, 0.125, True),
        (0.0, 0.25, False),
        (0.25, 0.25, True),
        (0.5, 0.875, False),
        (-0.125, 0.0, True),
        (-0.5, 0, False),
    ],
)
def test_difference_is_not_worse_if_its_whole_interval_lies_above_the_margin(value, margin, not_worse):
    assert difference_of(value, margin).not_worse(0.25) is not_worse


def test_difference_that_is_not_significant_need_not_be_as_good():
    wide = paired_difference([-0.10, 0.06], None)
    assert not wide.significant
    assert not wide.not_worse(0.02)
    assert paired_difference([0.001, 0.002, 0.001], None).not_worse(0.02)


# holm


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; each at least the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.25]) == [0.25]


def test_holm_rejects_what_the_step_down_procedure_rejects():
    """The procedure as Holm states it: from the smallest p up, until one is above level / those left."""
    random = np.random.default_rng(0)
    for _ in range(50):
        p = random.random(random.integers(1, 8)) ** 3
        for level in (0.01, 0.05, 0.2, 0.9):
            rejected = set()
            for left, index in zip(range(len(p), 0, -1), np.argsort(p), strict=True):
                if p[index] > level / left:
                    break
                rejected.add(index)
            assert {i for i, adjusted in enumerate(holm(list(p))) if adjusted <= level} == rejected


# Scores of confusion matrices


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_metrics_are_those_of_scikit_learn(rows):
    random = np.random.default_rng(rows)
    for _ in range(30):
        label, predicted = random.integers(4, size=rows), random.integers(3, size=rows)
        confusion = confusion_matrix(label, predicted, labels=range(6))  # two classes that never occur
        assert macro_f1(confusion) == pytest.approx(f1_score(label, predicted, average="macro", zero_division=0))
        assert accuracy(confusion) == pytest.approx(accuracy_score(label, predicted))


def test_metrics_take_many_confusion_matrices_at_once():
    confusions = np.random.default_rng(0).integers(5, size=(2, 3, 4, 4))
    for metric in (macro_f1, accuracy):
        found = metric(confusions)
        assert found.shape == (2, 3)
        for index in np.ndindex(2, 3):
            assert found[index] == pytest.approx(metric(confusions[index]))


def test_metrics_of_no_rows_are_0():
    assert macro_f1(np.zeros((3, 3), int)) == accuracy(np.zeros((3, 3), int)) == 0


# resampled


def test_resampled_accuracy_varies_as_scipys_bootstrap_does():
    labels, predicted = make_predictions(seed=0, errors=0.3)
    right = labels["category"] == predicted["category"]
    ours = resampled(labels, predicted, "accuracy", resamples=2000)["category"]
    theirs = stats.bootstrap((right,), np.mean, n_resamples=2000, method="basic", rng=1)
    assert np.std(ours, ddof=1) == pytest.approx(theirs.standard_error, rel=0.08)
    assert np.mean(ours) == pytest.approx(np.mean(right), abs=0.003)


@pytest.mark.slow
def test_resampled_macro_f1_varies_as_that_of_rows_drawn_one_by_one():
    labels, predicted = make_predictions(seed=0, errors=0.3, rows=60)
    ours = resampled(labels, predicted, "macro_f1", resamples=2000)["category"]
    random, theirs = np.random.default_rng(1), []
    for _ in range(1000):
        rows = random.integers(60, size=60)
        theirs.append(f1_score(labels["category"][rows], predicted["category"][rows], average="macro"))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.006)
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.1)


def test_resampled_draws_as_many_rows_as_there_are_each_as_likely():
    """Of two rows, one right: none, one or both draws are right in the shares 1 : 2 : 1."""
    column = np.array([0, 1])
    found = resampled({"t": column}, {"t": np.array([0, 0])}, "accuracy", 4000)["t"]
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(counts / 4000, [0.25, 0.5, 0.25], atol=0.03)


def test_resampled_has_a_thousand_resamples_unless_told_otherwise():
    column = np.array([0, 1])
    assert resampled({"t": column}, {"t": column}, "accuracy")["t"].shape == (1000,)
    assert resampled({"t": column}, {"t": column}, "accuracy", 7)["mean"].shape == (7,)


def test_resampled_is_the_same_for_equal_labels_whatever_was_predicted():
    labels, predicted = make_predictions(seed=0, errors=0.3)
    again, other = make_predictions(seed=1, errors=0.3)
    found = [resampled(columns, predicted, "macro_f1", 20)["mean"] for columns in (labels, again)]
    np.testing.assert_array_equal(*found)
    # The same rows are drawn for other predictions: scores of the rows that both got right and wrong agree.
    same = (predicted["category"] == labels["category"]) == (other["category"] == labels["category"])
    rows = {"category": np.where(same, labels["category"], -100)}
    pair = [resampled(rows, made, "accuracy", 20)["category"] for made in (predicted, other)]
    np.testing.assert_array_equal(*pair)


@pytest.mark.parametrize("task", ["one", "other"])
def test_resampled_draws_other_rows_for_other_labels_of_any_task(task):
    column = np.arange(40) % 2
    labels, predicted = {"one": column, "other": column}, {"one": column, "other": column * 0}
    changed = labels | {task: np.where(np.arange(40) == 3, -100, column)}
    found = [resampled(columns, predicted, "accuracy", 20)["other"] for columns in (labels, changed)]
    assert not np.allclose(*found, atol=0.03)  # one row fewer alone changes less


def test_resampled_draws_the_same_rows_for_all_tasks():
    column = np.random.default_rng(0).integers(3, size=50)
    predicted = np.random.default_rng(1).integers(3, size=50)
    found = resampled({"one": column, "other": column}, {"one": predicted, "other": predicted}, "macro_f1", 20)
    np.testing.assert_array_equal(found["one"], found["other"])
    assert found["one"].std() > 0


def test_resampled_means_are_over_the_tasks():
    labels, predicted = make_predictions(seed=0, errors=0.3)
    found = resampled(labels, predicted, "macro_f1", 20)
    assert found.keys() == {"category", "sentiment", "mean"}
    np.testing.assert_allclose(found["mean"], (found["category"] + found["sentiment"]) / 2)


def test_resampled_takes_columns_that_are_not_contiguous():
    column = np.arange(40) % 2
    strided = np.repeat(column, 2)[::2]
    found = [resampled({"t": labels}, {"t": column * 0}, "accuracy", 20)["t"] for labels in (column, strided)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("missing", [-1, -100])
def test_resampled_leaves_out_rows_without_a_label_or_a_prediction(missing):
    label, predicted = np.array([0, 1, missing] * 20), np.array([0, 1, 1] * 20)
    assert resampled({"t": label}, {"t": predicted}, "accuracy", 50)["t"].min() == 1
    assert resampled({"t": predicted}, {"t": label}, "accuracy", 50)["t"].min() == 1


def test_resampled_counts_classes_that_are_predicted_alone_or_labelled_alone():
    """Class 0 is always right; 2 stands in for 1, or 1 for 2. Each is an F1 of 0 of three."""
    for label, predicted in (([0, 1] * 30, [0, 2] * 30), ([0, 2] * 30, [0, 1] * 30)):
        found = resampled({"t": np.array(label)}, {"t": np.array(predicted)}, "macro_f1", 20)["t"]
        np.testing.assert_allclose(found, 1 / 3)


# How often chance is called a difference


@pytest.mark.slow
def test_differences_are_found_where_there_are_none_in_five_cases_of_a_hundred():
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


def test_differences_of_few_seeds_are_not_significant_by_chance_as_a_bootstrap_over_them_would_be():
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
