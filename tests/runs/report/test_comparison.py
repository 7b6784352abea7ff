import numpy as np
import pytest
from scipy import stats
from support.run_folders import compared, make_run, make_sweep

from polyhead.errors import UserError
from polyhead.runs.report.comparison import pareto_front


def test_comparison_ranks_by_validation_and_averages_over_seeds(tmp_path):
    comparison = compared(make_sweep(tmp_path, backbone=0.4, none=0.1))
    best = comparison.best
    assert best.condition.name == "freeze=none"
    scores = [run.metrics.test["category"]["macro_f1"] for run in best.condition.runs.values()]
    assert best.scores["test"]["category"].value == pytest.approx(np.mean(scores))
    assert best.scores["test"]["category"].margin == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(scores))
    assert comparison.tests == {"test": ["mean", "category", "sentiment"]}


def test_comparison_has_each_extra_test_set_that_any_run_has(tmp_path):
    make_run(tmp_path / "0", seed=0, extra={"news": ("sentiment",)})
    make_run(tmp_path / "1", seed=1, extra={"news": ("category", "sentiment"), "letters": ("category",)})
    comparison = compared(tmp_path)
    assert comparison.tests == {
        "test": ["mean", "category", "sentiment"],
        "news": ["mean", "sentiment", "category"],
        "letters": ["mean", "category"],
    }
    (row,) = comparison.rows
    counts = {(name, task): score.count for name, scores in row.scores.items() for task, score in scores.items()}
    assert counts["news", "sentiment"] == counts["news", "mean"] == 2
    assert counts["news", "category"] == counts["letters", "category"] == 1
    assert row.confusion["letters"].keys() == {"category"}


def test_comparison_finds_its_baseline_by_its_columns(tmp_path):
    make_sweep(tmp_path, none=0.1, backbone=0.4)
    assert compared(tmp_path, baseline="freeze=backbone").baseline.number == 2
    for wrong in ("freeze=all", "nothing"):
        with pytest.raises(UserError, match="there are: freeze=none; freeze=backbone"):
            compared(tmp_path, baseline=wrong)


def test_comparison_refuses_an_unknown_metric(tmp_path):
    with pytest.raises(UserError, match="valid: macro_f1, accuracy, score"):
        compared(make_sweep(tmp_path, none=0.1), metric="f2")


def test_comparison_refuses_to_average_over_a_key_that_no_run_has(tmp_path):
    make_sweep(tmp_path, none=0.1)
    with pytest.raises(UserError, match="over: 'sed' is no key of these runs; did you mean 'seed'"):
        compared(tmp_path, over=("sed",))


def test_comparison_averages_costs_and_leaves_out_those_not_measured(tmp_path):
    make_run(tmp_path / "0", seed=0, seconds=10)
    make_run(tmp_path / "1", seed=1, seconds=30)
    (row,) = compared(tmp_path).rows
    assert row.costs["seconds"] == 20
    assert "gpu_megabytes" not in row.costs


def test_comparison_counts_splits_that_reused_activations(tmp_path):
    (row,) = compared(make_sweep(tmp_path, backbone=0.1)).rows
    assert row.activations == (3, 6)


def test_comparison_lists_unfinished_runs_and_does_not_count_them(tmp_path):
    make_sweep(tmp_path, none=0.1)
    (tmp_path / "none_2" / "metrics.json").unlink()
    comparison = compared(tmp_path)
    assert len(comparison.rows[0].condition.runs) == 2
    assert [record.status for record in comparison.records] == ["done", "done", "unfinished"]


def test_comparison_of_runs_that_are_not_done_is_empty(tmp_path):
    (make_run(tmp_path / "run") / "metrics.json").unlink()
    comparison = compared(tmp_path)
    assert (comparison.rows, comparison.baseline, comparison.best, comparison.tests) == ([], None, None, {})


def test_comparison_adds_up_confusion_matrices_over_seeds(tmp_path):
    (row,) = compared(make_sweep(tmp_path, none=0.1)).rows
    assert sum(map(sum, row.confusion["test"]["category"].values())) == 3 * 200
    assert sum(map(sum, row.confusion["test"]["sentiment"].values())) == 3 * 180
    first = sum(np.asarray(run.metrics.test["category"]["confusion"])[0] for run in row.condition.runs.values())
    assert row.confusion["test"]["category"]["Quote"] == first.tolist()


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
def test_pareto_front_has_the_points_that_no_other_beats(points, front):
    assert pareto_front(points) == front
