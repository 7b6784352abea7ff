import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from support.run_folders import make_run, make_sweep
from support.run_folders import compared
from support.commands import script

from polyhead.runs.report.curves import read_curves
from polyhead.runs.report.files import write
from polyhead.runs.report.page import verdict

VOID = {"meta", "br", "path", "use", "line", "rect", "circle", "stop"}


class Document(HTMLParser):
    """Collects text and attributes, and checks that elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def pages(folder, **settings):
    comparison = compared(folder, **settings)
    curves = {str(record.folder): read_curves(record.folder) for record in comparison.records}
    text = write(comparison, curves, folder / "out" / "report")
    return (folder / "out" / "report.html").read_text(), text, json.loads((folder / "out" / "report.json").read_text())


def test_the_page_is_whole_and_asks_no_network(tmp_path):
    html, _, _ = pages(make_sweep(tmp_path, none=0.1, backbone=0.4))
    document = Document(html)
    assert document.links == []
    assert "script" not in document.tags
    assert document.tags.count("svg") == 2
    assert not re.search(r"url\((?!#)|@import", html)
    text = " ".join(" ".join(document.words).split())
    assert "Best on validation: #1 (freeze=none)" in text
    assert "#2: significantly worse than #1." in text


def test_settings_and_messages_are_text_and_never_markup(tmp_path):
    evil = "<script>alert(1)</script>$x_$"
    for name, value in (("a", evil), ("b", "plain")):
        folder = make_run(tmp_path / name)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"note": value}))
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "train.log").write_text(f"[now][x][ERROR] this run failed: {evil}\n")
    html, _, content = pages(tmp_path)
    assert "<script" not in html
    assert evil in " ".join(Document(html).words)
    assert {run["status"] for run in content["runs"]} == {"done", "failed"}


def test_curves_are_drawn_from_a_csv(tmp_path):
    make_sweep(tmp_path, none=0.1)
    for folder in tmp_path.glob("none_*"):
        (folder / "metrics.csv").write_text(
            "epoch,step,train/loss,validation/macro_f1\n0,5,1.5,\n0,9,,0.5\n1,19,,0.6\n"
        )
    html, _, _ = pages(tmp_path)
    assert Document(html).tags.count("svg") == 2
    assert "training loss (nats)" in html
    assert read_curves(tmp_path / "none_0") == {
        "train/loss": [(5, 1.5)],
        "validation/macro_f1": [(9, 0.5), (19, 0.6)],
    }


def test_markdown_is_a_table_of_equal_rows(tmp_path):
    _, text, _ = pages(make_sweep(tmp_path, none=0.1, backbone=0.4))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "| 2 | backbone | 0." in lines[3]
    assert "baseline" in lines[2]
    assert "3 of 6 reused" in lines[3]


def test_json_holds_the_numbers_of_the_table(tmp_path):
    _, _, content = pages(make_sweep(tmp_path, none=0.1, backbone=0.4))
    second = content["settings"][1]
    assert second["differences"]["test"]["mean"]["significant"] is True
    assert second["test"]["test"]["mean"]["count"] == 3
    assert content["baseline"] == 1


def test_one_run_and_none(tmp_path):
    folder = make_run(tmp_path / "run")
    html, text, _ = pages(tmp_path)
    assert "Some settings have one run only" in html
    assert text.startswith("| # | mean | category |")
    (folder / "metrics.json").unlink()
    html, text, _ = pages(tmp_path)
    assert "No run is done yet." in text
    assert "unfinished" in html


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ({"none": 0.10, "backbone": 0.101}, "no significant difference"),
        ({"none": 0.10, "backbone": 0.4}, "#2: significantly worse than #1."),
    ],
)
def test_the_verdict(tmp_path, errors, sentence):
    lines = verdict(compared(make_sweep(tmp_path, **errors)))
    assert any(sentence in line for line in lines)


def test_the_script_writes_three_files_and_prints_the_table(tmp_path):
    make_sweep(tmp_path / "runs", none=0.1, backbone=0.4)
    done = script("report", str(tmp_path / "runs"), "--output", str(tmp_path / "out"), "--baseline", "freeze=backbone")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "out.md").read_text()
    assert {path.name for path in tmp_path.glob("out.*")} == {"out.html", "out.md", "out.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "is no folder"), ([".", "--metric", "f2"], "no runs in"), (["--baseline", "x"], "required: runs")],
)
def test_the_script_tells_mistakes_in_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = script("report", *arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
