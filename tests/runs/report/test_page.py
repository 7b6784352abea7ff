import re
from dataclasses import replace

import pytest
import yaml
from support.pages import Document
from support.run_folders import compared, make_run, make_sweep

from polyhead.runs.report.curves import read_curves
from polyhead.runs.report.page import page
from polyhead.runs.report.verdict import conflict_sentences


def page_of(folder, **settings):
    comparison = compared(folder, **settings)
    curves = {str(record.folder): read_curves(record.folder) for record in comparison.records}
    return page(comparison, curves, title="Comparison of runs", folder=folder)


@pytest.mark.slow
def test_page_is_whole_and_asks_no_network(tmp_path):
    html = page_of(make_sweep(tmp_path, none=0.1, backbone=0.4))
    document = Document(html)
    assert {*document.links} == {f"{kind}_{seed}/" for kind in ("none", "backbone") for seed in range(3)}
    assert "script" not in document.tags
    assert document.tags.count("svg") == 2
    assert not re.search(r"url\((?!#)|@import", html)
    assert "Best on validation: #1 (freeze=none)" in document.text
    assert "#2: significantly worse than #1." in document.text


@pytest.mark.slow
def test_page_escapes_conditions_test_sets_and_messages(tmp_path):
    evil = "<script>alert(1)</script>$x_$"
    for name, value in (("a", evil), ("b", "plain")):
        folder = make_run(tmp_path / name, extra={evil.replace("/", ""): ("category",)}, predictions=False)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"note": value}))
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "train.log").write_text(f"[now][x][ERROR] this run failed: {evil}\n")
    html = page_of(tmp_path)
    assert "<script" not in html
    assert evil in " ".join(Document(html).words)


@pytest.mark.slow
def test_page_has_columns_figures_differences_and_matrices_of_each_test_set(tmp_path):
    extra = {"news": ("sentiment",), "letters": ("category", "sentiment")}
    document = Document(page_of(make_sweep(tmp_path, extra=extra, none=0.1, backbone=0.4)))
    conditions, tasks, classes, costs, differences, *matrices = document.tables
    assert {"news: mean", "Δ news: mean", "Δ letters: mean"} <= set(conditions[0])
    assert tasks[0] == ["task", "#1", "#2"]
    assert {row[0] for row in tasks[1:]} >= {"letters: category", "news: sentiment"}
    assert classes[0] == ["class", "task", "test set", "#1", "#2"]
    assert costs[0][-2:] == ["peak MB", "activations"]
    assert differences[0][-4:] == ["letters: mean", "letters: category", "letters: sentiment", "over"]
    assert differences[1][-1] == "3 seeds, rows"
    assert document.tags.count("svg") == 4  # three test sets by seconds, one by parameters
    assert len(matrices) == 5  # of the best, which is the baseline
    for name, tasks in {"test": ("category", "sentiment"), **extra}.items():
        assert f"macro-F1, {name}, mean over tasks" in document.text
        for task in tasks:
            assert f"#1 {task} ({name})" in document.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "basis"),
    [
        ({"predictions": False}, "3 seeds; rows unknown or unlike"),
        ({"seed": 7}, "2 seeds, rows"),
    ],
)
def test_page_says_over_what_differences_were_taken(tmp_path, last, basis):
    make_sweep(tmp_path, none=0.1)
    make_sweep(tmp_path, seeds=(0, 1), backbone=0.4)
    make_run(tmp_path / "backbone_2", **{"seed": 2, "errors": 0.4, "freeze": "backbone"} | last)
    (differences,) = [table for table in Document(page_of(tmp_path)).tables if table[0][-1] == "over"]
    assert differences[1][-1] == basis


@pytest.mark.slow
def test_page_names_the_confused_pairs_of_many_classes(tmp_path):
    labels = [f"intent {number}" for number in range(30)]
    counts = {label: [0] * 30 for label in labels}
    counts["intent 3"][7], counts["intent 4"][4] = 5, 9
    comparison = compared(make_sweep(tmp_path, none=0.1))
    rows = [replace(row, confusion={"test": {"intent": counts}}) for row in comparison.rows]
    many = replace(comparison, rows=rows, baseline=rows[0])
    document = Document(page(many, {}, title="", folder=tmp_path))
    assert document.tables[-1] == [
        ["true", "predicted", "sentences", "of the true class"],
        ["intent 3", "intent 7", "5", "100 %"],
    ]


def test_page_states_conflict_in_sentences(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.1))
    measures = {"cosine": -0.3, "magnitude_similarity": 0.5, "conflicting_share": 0.75, "steps": 4}
    conflict = {f"a.b-c.{name}": value for name, value in measures.items()}
    (sentence,) = conflict_sentences(replace(comparison.rows[0], conflict=conflict))
    assert sentence == (
        "#1: the gradients of a.b-c oppose each other a little (mean cosine −0.30), and were against each other in "
        "75% of the steps; their sizes are alike to 50%."
    )


def test_page_draws_learning_curves(tmp_path):
    make_sweep(tmp_path, none=0.1)
    for folder in tmp_path.glob("none_*"):
        (folder / "metrics.csv").write_text("epoch,step,train/loss,validation/macro_f1\n0,5,1.5,\n0,9,,0.5\n")
    html = page_of(tmp_path)
    assert Document(html).tags.count("svg") == 2
    assert "training loss (nats)" in html


def test_page_lists_runs_that_do_not_count(tmp_path):
    (make_run(tmp_path / "run") / "metrics.json").unlink()
    document = Document(page_of(tmp_path))
    assert "No run is done yet." in document.text
    assert document.tables[0][1] == ["unfinished", str(tmp_path / "run"), ""]
