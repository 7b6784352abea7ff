"""The report as an object: its text, its page in a notebook, and its files."""

import html
import re

import pytest
from support.run_folders import make_metrics, make_sweep

import polyhead
from polyhead.runs.folder import RunFolder
from polyhead.runs.report.report import make_report


@pytest.mark.slow
def test_report_shows_in_a_notebook_the_page_that_it_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = make_sweep(tmp_path / "runs", none=0.1, backbone=0.4)
    report = make_report([runs], "macro_f1", ["seed"], None)
    text = report.save("comparison")
    assert str(report) == text == (tmp_path / "comparison.md").read_text()
    (page,) = re.findall(r'srcdoc="([^"]*)"', report._repr_html_())
    assert html.unescape(page) == (tmp_path / "comparison.html").read_text()


@pytest.mark.slow
def test_compare_takes_runs_and_folders_and_writes_where_it_is_asked_to(tmp_path):
    folder = make_sweep(tmp_path / "runs", none=0.1, backbone=0.4)
    one, *others = sorted(path.parent for path in folder.rglob("metrics.json"))
    report = polyhead.compare([polyhead.Run(one), *others], output=tmp_path / "out", baseline="freeze=none")
    assert len(report.comparison.records) == 6
    assert str(report) == (tmp_path / "out.md").read_text()
    assert str(polyhead.compare(folder, baseline="freeze=none")) == str(report)


def test_compare_goes_by_the_headline_of_each_kind_as_the_command_does(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.claim("{seed: 0}")
    results = {"stars": {"kind": "number", "spearman": 0.5, "mae": 0.5, "pearson": 0.5, "loss": 0.5}}
    make_metrics(results).write(run)
    assert "Score: Spearman of stars." in str(polyhead.compare(run.folder))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"runs": []}, "runs: none given"), ({"runs": "nowhere"}, "'nowhere' is no folder")],
)
def test_compare_refuses_what_holds_no_runs(given, message):
    with pytest.raises(polyhead.UserError, match=message):
        polyhead.compare(**given)
