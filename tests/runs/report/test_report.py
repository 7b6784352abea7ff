"""The report as an object: its text, its page in a notebook, and its files."""

import html
import re

import pytest
from support.run_folders import make_sweep

import polyhead
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


@pytest.mark.parametrize(
    ("given", "message"),
    [({"runs": []}, "runs: none given"), ({"runs": "nowhere"}, "'nowhere' is no folder")],
)
def test_compare_refuses_what_holds_no_runs(given, message):
    with pytest.raises(polyhead.UserError, match=message):
        polyhead.compare(**given)
