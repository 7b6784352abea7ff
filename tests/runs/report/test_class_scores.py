import pytest
from support.run_folders import compared, make_run, make_sweep

from polyhead.runs.report.class_scores import class_scores


def test_class_scores_are_the_means_over_the_runs_of_a_condition(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.1, backbone=0.4))
    lines = {(line.test_set, line.task, line.label): line.scores for line in class_scores(comparison.rows)}
    best = comparison.rows[0].condition.runs.values()
    for task, results in next(iter(best)).metrics.test.items():
        for label in results["f1"]:
            scores = [run.metrics.test[task]["f1"][label] for run in best]
            found = lines["test", task, label]
            assert len(found) == 2
            assert found[0].value == pytest.approx(sum(scores) / len(scores))


def test_class_scores_are_missing_where_no_run_of_a_condition_has_the_class(tmp_path):
    make_run(tmp_path / "0", freeze="none", extra={"news": ("sentiment",)})
    make_run(tmp_path / "1", freeze="backbone")
    comparison = compared(tmp_path)
    of_news = [line.scores for line in class_scores(comparison.rows) if line.test_set == "news"]
    assert of_news
    assert all(sorted(score is None for score in scores) == [False, True] for scores in of_news)
