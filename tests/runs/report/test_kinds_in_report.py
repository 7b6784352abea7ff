"""Runs with tasks of several kinds compare by the headline score of each, sentence by sentence."""

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, f1_score
from support.run_folders import make_metrics, make_provenance, make_results

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder
from polyhead.runs.predictions import Predictions
from polyhead.runs.record import read
from polyhead.runs.report.comparison import compare
from polyhead.runs.report.page import page
from polyhead.runs.report.statistics import resampled
from polyhead.runs.report.table import markdown
from polyhead.tasks import KINDS, MISSING

ROWS = 120
KIND_OF = {"stars": "number", "tags": "multi_label", "grade": "ordinal"}


def predictions(seed, noise):
    truth, chance = np.random.default_rng(5), np.random.default_rng(seed)
    stars = truth.normal(size=ROWS).astype(np.float32)
    tags = (truth.random((ROWS, 3)) < 0.4).astype(np.int16)
    grade = truth.integers(4, size=ROWS).astype(np.int16)
    labels = {"stars": stars, "tags": tags, "grade": grade}
    predicted = {
        "stars": (stars + noise * chance.normal(size=ROWS)).astype(np.float32),
        "tags": np.where(chance.random((ROWS, 3)) < noise / 4, 1 - tags, tags).astype(np.int16),
        "grade": np.clip(grade + np.rint(noise * chance.normal(size=ROWS)), 0, 3).astype(np.int16),
    }
    labels = {task: column.copy() for task, column in labels.items()}
    labels["stars"][::10], labels["tags"][1::10] = np.nan, MISSING
    return labels, predicted


def scores(labels, predicted):
    known = {task: np.isfinite(labels["stars"]) if task == "stars" else np.ones(ROWS, bool) for task in labels}
    known["tags"] = labels["tags"][:, 0] != MISSING
    pairs = {task: (labels[task][known[task]], predicted[task][known[task]]) for task in labels}
    return {
        "stars": spearmanr(*pairs["stars"]).statistic,
        "tags": f1_score(*pairs["tags"], average="macro"),
        "grade": cohen_kappa_score(*pairs["grade"], weights="quadratic"),
    }


def make_run(folder, seed, noise):
    run = RunFolder(folder)
    run.claim(
        yaml.safe_dump({"seed": seed, "noise": noise, "run_dir": str(folder), "tasks": {"stars": {"mean": noise}}})
    )
    make_provenance(seed=seed).write(run)
    labels, predicted = predictions(seed, noise)
    Predictions({"test": labels}, {"test": predicted}).write(run)
    found = scores(labels, predicted)
    results = {
        "stars": {"kind": "number", "spearman": found["stars"], "mae": 0.5, "pearson": 0.5, "loss": 0.5},
        "tags": {"kind": "multi_label", "macro_f1": found["tags"], "micro_f1": 0.5, "average_precision": 0.5}
        | {"f1": {"a": 0.5, "b": 0.5, "c": 0.5}, "loss": 0.5},
        "grade": make_results(kind="ordinal", kappa=found["grade"], mae=0.5),
    }
    make_metrics(results).write(run)
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    found = {}
    for noise in (0.3, 1.5):
        for seed in (0, 1):
            found[noise, seed] = make_run(folder / f"{noise}-{seed}", seed, noise)
    return [read(path) for path in sorted(folder.iterdir())], found


@pytest.mark.slow
def test_report_compares_by_the_headline_of_each_kind(runs):
    records, found = runs
    assert [record.status for record in records] == ["done"] * 4
    comparison = compare(records)
    assert comparison.metric == "score"
    best, other = comparison.rows
    assert best.condition.values == {"noise": "0.3"}  # the measured mean of the numbers is no choice
    for task in KIND_OF:
        expected = np.mean([found[0.3, seed][task] for seed in (0, 1)])
        assert best.scores["test"][task].value == pytest.approx(expected, abs=1e-6)
        difference = other.differences["test"][task]
        assert difference.rows
        assert difference.significant
        assert difference.value < 0
    assert set(best.confusion["test"]) == {"grade"}


@pytest.mark.slow
def test_report_says_which_headlines_there_are_and_draws_itself(runs, tmp_path):
    comparison = compare(runs[0])
    assert "Spearman of stars, macro-F1 of tags and kappa of grade" in " ".join(markdown(comparison).split())
    assert "<svg" in page(comparison, {}, "kinds", tmp_path)


def test_report_refuses_a_metric_that_a_kind_does_not_have(runs):
    with pytest.raises(
        UserError, match="^metric: 'accuracy' given, and stars is number, tags is multi_label; take score"
    ):
        compare(runs[0], "accuracy")


def test_resampled_headlines_lie_around_those_of_all_rows():
    labels, predicted = predictions(0, 0.8)
    kinds = {task: KINDS[name] for task, name in KIND_OF.items()}
    found = resampled(labels, predicted, "score", 200, kinds)
    for task, score in scores(labels, predicted).items():
        assert found[task].mean() == pytest.approx(score, abs=0.03)
        assert 0.001 < found[task].std() < 0.1


def test_resampled_macro_f1_of_several_labels_is_their_headline():
    labels, predicted = predictions(0, 0.8)
    kinds = {"tags": KINDS["multi_label"], "grade": KINDS["ordinal"]}
    columns = ({task: of_kind[task] for task in kinds} for of_kind in (labels, predicted))
    found = resampled(*columns, "macro_f1", 200, kinds)
    assert found["tags"].mean() == pytest.approx(scores(labels, predicted)["tags"], abs=0.03)
    assert found["grade"].mean() == pytest.approx(
        f1_score(labels["grade"], predicted["grade"], average="macro"), abs=0.03
    )
