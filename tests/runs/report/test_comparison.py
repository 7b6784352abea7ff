import numpy as np
import pytest
from support.run_folders import compared, make_run, make_sweep
from scipy import stats

from polyhead.errors import UserError
from polyhead.runs.report.comparison import compare, pareto_front
from polyhead.runs.record import find_runs, read


def test_settings_are_ranked_by_validation_and_averaged_over_seeds(tmp_path):
    comparison = compared(make_sweep(tmp_path, backbone=0.4, none=0.1))
    best = comparison.best
    assert best.setting.name == "freeze=none"
    scores = [run.metrics["test"]["category"]["macro_f1"] for run in best.setting.runs.values()]
    assert best.scores["test"]["category"].value == pytest.approx(np.mean(scores))
    assert best.scores["test"]["category"].margin == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(scores))
    assert comparison.tests == {"test": ["mean", "category", "sentiment"]}


def test_a_clear_difference_is_significant_and_chance_is_not(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.10, backbone=0.40, lower=0.11))
    by_name = {row.setting.name: row.differences for row in comparison.rows}
    assert by_name["freeze=none"] == {}
    assert by_name["freeze=backbone"]["test"]["mean"].significant
    assert by_name["freeze=backbone"]["test"]["mean"].rows
    assert not by_name["freeze=lower"]["test"]["mean"].significant


def test_p_values_are_corrected_for_all_comparisons(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.10, backbone=0.40, lower=0.11))
    differences = [d for row in comparison.rows for tasks in row.differences.values() for d in tasks.values()]
    assert len(differences) == 6
    smallest = min(differences, key=lambda difference: difference.p)
    assert smallest.adjusted_p == pytest.approx(6 * smallest.p)


def test_other_test_sentences_are_compared_over_seeds_alone(tmp_path):
    make_sweep(tmp_path, none=0.1)
    for seed in range(3):
        make_run(tmp_path / f"backbone_{seed}", seed, 0.2, freeze="backbone", predictions=False)
    (_, row) = compared(tmp_path).rows
    assert row.differences["test"]["mean"].rows is False
    assert row.differences["test"]["mean"].seeds == 3


def test_only_shared_seeds_are_paired(tmp_path):
    make_sweep(tmp_path, none=0.1)
    make_sweep(tmp_path, seeds=(2, 3), backbone=0.4)
    (_, row) = compared(tmp_path).rows
    assert row.differences["test"]["mean"].seeds == 1


def test_the_baseline_is_named_by_its_columns(tmp_path):
    make_sweep(tmp_path, none=0.1, backbone=0.4)
    assert compared(tmp_path, baseline="freeze=backbone").baseline.number == 2
    for wrong in ("freeze=all", "nothing"):
        with pytest.raises(UserError, match="there are: freeze=none; freeze=backbone"):
            compared(tmp_path, baseline=wrong)


def test_an_unknown_metric_is_refused(tmp_path):
    with pytest.raises(UserError, match="valid: macro_f1, accuracy"):
        compared(make_sweep(tmp_path, none=0.1), metric="f2")


def test_costs_are_means_and_what_is_missing_is_left_out(tmp_path):
    make_run(tmp_path / "0", seed=0, seconds=10)
    make_run(tmp_path / "1", seed=1, seconds=30)
    (row,) = compared(tmp_path).rows
    assert row.costs["seconds"] == 20
    assert "gpu_megabytes" not in row.costs


def test_features_reused_are_counted(tmp_path):
    (row,) = compared(make_sweep(tmp_path, backbone=0.1)).rows
    assert row.features == (3, 6)


def test_unfinished_runs_are_listed_and_do_not_count(tmp_path):
    make_sweep(tmp_path, none=0.1)
    (tmp_path / "none_2" / "metrics.json").unlink()
    comparison = compared(tmp_path)
    assert len(comparison.rows[0].setting.runs) == 2
    assert [record.status for record in comparison.records] == ["done", "done", "unfinished"]


def test_nothing_done_yet(tmp_path):
    (make_run(tmp_path / "run") / "metrics.json").unlink()
    comparison = compared(tmp_path)
    assert (comparison.rows, comparison.baseline) == ([], None)


def test_confusion_matrices_are_summed_over_seeds(tmp_path):
    (row,) = compared(make_sweep(tmp_path, none=0.1)).rows
    assert sum(map(sum, row.confusion["test"]["category"].values())) == 3 * 200
    assert sum(map(sum, row.confusion["test"]["sentiment"].values())) == 3 * 180


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([(1, 0.5), (2, 0.6), (3, 0.55)], [True, True, False]),
        ([(1, 0.5), (1, 0.6)], [False, True]),
        ([(1, 0.5), (2, 0.5)], [True, False]),
        ([(1, 0.5), (1, 0.5)], [True, True]),
        ([], []),
    ],
)
def test_pareto_front(points, front):
    assert pareto_front(points) == front
