import numpy as np
import pytest
from support.run_folders import compared, make_run, make_sweep

from polyhead.runs.report.statistics import RESAMPLES, paired_difference, resampled


def differences_of(row):
    return {(name, task): found for name, tasks in row.differences.items() for task, found in tasks.items()}


@pytest.mark.slow
def test_differences_are_significant_where_they_are_clear_and_not_where_they_may_be_chance(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.10, backbone=0.40, lower=0.11))
    by_name = {row.condition.name: row.differences for row in comparison.rows}
    assert by_name["freeze=none"] == {}
    assert by_name["freeze=backbone"]["test"]["mean"].significant
    assert by_name["freeze=backbone"]["test"]["mean"].rows
    assert not by_name["freeze=lower"]["test"]["mean"].significant


@pytest.mark.slow
def test_differences_are_corrected_for_all_comparisons_of_all_test_sets(tmp_path):
    comparison = compared(make_sweep(tmp_path, extra={"news": ("sentiment",)}, none=0.10, backbone=0.40, lower=0.11))
    found = [difference for row in comparison.rows for difference in differences_of(row).values()]
    assert len(found) == 2 * (3 + 2)  # conditions, each with three cells on test and two on news
    smallest = min(found, key=lambda difference: difference.p)
    assert smallest.adjusted_p == pytest.approx(10 * smallest.p)


@pytest.mark.slow
def test_differences_on_a_test_set_are_those_of_its_own_scores_and_rows(tmp_path):
    """The reference goes the long way: from the predictions of each seed on the extra test set alone."""
    extra = {"news": ("sentiment",), "letters": ("category", "sentiment")}
    best, other = compared(make_sweep(tmp_path, extra=extra, none=0.10, backbone=0.30)).rows
    for name, tasks in extra.items():
        by_seed, by_rows = [], []
        for seed, ours in other.condition.runs.items():
            theirs = best.condition.runs[seed]
            scores = []
            for run in (ours, theirs):
                labels = {task: run.predictions.labels[name][task] for task in tasks}
                scores.append(resampled(labels, run.predictions.predicted[name], "macro_f1", RESAMPLES)["mean"])
            by_rows.append(scores[0] - scores[1])
            by_seed.append(ours.scores("macro_f1")[name]["mean"] - theirs.scores("macro_f1")[name]["mean"])
        expected = paired_difference(by_seed, float(np.var(np.mean(by_rows, axis=0), ddof=1)))
        found = other.differences[name]["mean"]
        assert (found.value, found.margin, found.p) == pytest.approx((expected.value, expected.margin, expected.p))
    assert other.differences["news"].keys() == {"sentiment", "mean"}


@pytest.mark.slow
def test_differences_over_the_tasks_leave_out_a_task_without_labels_in_the_test_set(tmp_path):
    """With one task alone the mean over the tasks is that task, and as uncertain."""
    make_sweep(tmp_path, extra={"news": ("sentiment",)}, none=0.10, backbone=0.30)
    found = compared(tmp_path).rows[1].differences["news"]
    assert found["mean"].margin == found["sentiment"].margin > 0


@pytest.mark.parametrize("kept", [(), ("none",)])
def test_differences_go_by_seeds_alone_where_rows_are_not_known(tmp_path, kept):
    for freeze, errors in (("none", 0.1), ("backbone", 0.2)):
        for seed in range(3):
            make_run(tmp_path / f"{freeze}_{seed}", seed, errors, freeze=freeze, predictions=freeze in kept)
    (_, row) = compared(tmp_path).rows
    assert row.differences["test"]["mean"].rows is False
    assert row.differences["test"]["mean"].seeds == 3


def test_differences_go_by_seeds_alone_where_rows_are_others(tmp_path):
    make_sweep(tmp_path, none=0.1)
    make_sweep(tmp_path, backbone=0.2)
    for path in tmp_path.glob("backbone_*/predictions.npz"):
        with np.load(path) as arrays:
            np.savez(path, **{name: array[1:] for name, array in arrays.items()})
    (_, row) = compared(tmp_path).rows
    assert row.differences["test"]["mean"].rows is False


def test_differences_pair_shared_seeds_alone(tmp_path):
    make_sweep(tmp_path, none=0.1)
    make_sweep(tmp_path, seeds=(2, 3), backbone=0.4)
    (best, row) = compared(tmp_path).rows
    found = row.differences["test"]["mean"]
    assert found.seeds == 1
    scores = [of.condition.runs[2,].scores("macro_f1")["test"]["mean"] for of in (row, best)]
    assert found.value == pytest.approx(scores[0] - scores[1])


def test_differences_are_unknown_without_shared_seeds_or_test_sets(tmp_path):
    make_sweep(tmp_path, seeds=(0,), none=0.1)
    make_sweep(tmp_path, seeds=(1,), backbone=0.4)
    (_, row) = compared(tmp_path).rows
    assert set(differences_of(row).values()) == {None}
    make_run(tmp_path / "backbone_0", 0, 0.4, freeze="backbone", extra={"news": ("category",)})
    (_, row) = compared(tmp_path).rows
    assert row.differences["news"] == {"category": None, "mean": None}
    assert row.differences["test"]["mean"] is not None
