"""Each kind of task has its own figure in a report, over the very answers of the runs."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from support.pages import Document
from support.run_folders import make_metrics, make_provenance, make_results

from polyhead.runs.folder import RunFolder
from polyhead.runs.predictions import Predictions
from polyhead.runs.record import read
from polyhead.runs.report.comparison import compare
from polyhead.runs.report.kind_drawing import draw_bars, draw_scatter
from polyhead.runs.report.kind_figures import MOST_BARS, MOST_POINTS, bars, scatters
from polyhead.runs.report.page import page
from polyhead.tasks import KINDS

ROWS = 2000


def make_run(folder, score, labels=("a", "b", "c")):
    run = RunFolder(folder)
    run.claim(yaml.safe_dump({"seed": 0, "score": score, "run_dir": str(folder)}))
    make_provenance(seed=0).write(run)
    random = np.random.default_rng(int(10 * score))
    truth = random.random(ROWS).astype(np.float32)
    truth[::7] = np.nan
    grade = random.integers(3, size=ROWS).astype(np.int16)
    given = {"stars": truth, "alike": truth[::-1].copy(), "grade": grade}
    predicted = {task: (column * 2).astype(column.dtype) for task, column in given.items()}
    Predictions({"test": given}, {"test": predicted}).write(run)
    f1 = {label: score / (1 + index) for index, label in enumerate(labels)}
    results = {
        "stars": {"kind": "number", "spearman": score, "mae": 0.5, "pearson": 0.5, "loss": 0.5},
        "alike": {"kind": "similarity", "spearman": score, "pearson": 0.5, "loss": 0.5},
        "tags": {
            "kind": "multi_label",
            "macro_f1": score,
            "micro_f1": 0.5,
            "average_precision": 0.5,
            "f1": f1,
            "loss": 1.0,
        },
        "grade": make_results(kind="ordinal", kappa=score, mae=0.5)
        | {"f1": {"poor": 0.5, "fair": 0.5, "good": 0.5}, "confusion": [[5, 1, 0], [2, 3, 1], [0, 1, 7]]},
    }
    make_metrics(results).write(run)
    return truth


@pytest.fixture
def comparison(tmp_path):
    truths = {score: make_run(tmp_path / str(score), score) for score in (0.5, 0.25)}
    return SimpleNamespace(truths=truths, found=compare([read(tmp_path / str(score)) for score in truths]))


def test_kinds_have_the_figures_of_what_they_predict():
    found = {name: kind.figure for name, kind in KINDS.items() if kind.figure}
    assert found == {"number": "scatter", "multi_label": "bars", "similarity": "scatter"}


def test_scatter_has_the_answers_for_the_rows_with_a_label(comparison):
    found = list(scatters(comparison.found.rows))
    assert [(one.row.number, one.task, one.test_set) for one in found] == [
        (number, task, "test") for number in (1, 2) for task in ("stars", "alike")
    ]
    for one in found:
        assert len(one.truth) == MOST_POINTS
        np.testing.assert_array_equal(one.predicted, 2 * one.truth)
    known = comparison.truths[0.5][np.isfinite(comparison.truths[0.5])]
    assert set(found[0].truth) <= set(known)
    assert found[0].truth[0] == known[0]
    assert found[0].truth[-1] == known[-1]


def test_bars_have_f1_of_each_label_by_condition(comparison):
    (found,) = bars(comparison.found.rows)
    assert (found.task, found.test_set) == ("tags", "test")
    values = {line.label: [score.value for score in line.scores] for line in found.lines}
    assert values == {"a": [0.5, 0.25], "b": [0.25, 0.125], "c": [pytest.approx(0.5 / 3), pytest.approx(0.25 / 3)]}


def test_bars_show_the_best_of_many_labels(tmp_path):
    make_run(tmp_path / "many", 0.5, [f"l{number}" for number in range(30)])
    (found,) = bars(compare([read(tmp_path / "many")]).rows)
    assert [line.label for line in found.lines] == [f"l{number}" for number in range(MOST_BARS)]


@pytest.mark.slow
def test_figures_of_kinds_say_what_they_show(comparison):
    rows = comparison.found.rows
    scatter = draw_scatter(next(scatters(rows)))
    assert "stars, test" in scatter
    assert "predicted, #1" in scatter
    (found,) = bars(rows)
    drawn = draw_bars(found, list(rows))
    assert "F1 by label of tags, test" in drawn
    assert drawn.count("<path") > draw_bars(found, [rows[0]]).count("<path")


@pytest.mark.slow
def test_page_has_the_figures_of_kinds_and_ordinal_classes_in_their_order(comparison, tmp_path):
    html = page(comparison.found, {}, title="kinds", folder=tmp_path)
    document = Document(html)
    assert "Predicted numbers and labels" in document.text
    assert html.count("predicted, #1") == html.count("predicted, #") == 2  # two tasks; the best is the baseline
    matrix = next(table for table in document.tables if table and table[0][1:4] == ["poor", "fair", "good"])
    assert [row[0] for row in matrix[1:]] == ["poor", "fair", "good"]
