import json
from pathlib import Path

import pytest
from support.commands import script
from support.run_folders import compared, make_sweep

from polyhead.errors import UserError
from polyhead.runs.report.files import write


def written(folder, **settings):
    write(compared(folder, **settings), {}, folder / "out" / "report")
    return json.loads((folder / "out" / "report.json").read_text())


def test_write_leaves_a_page_a_table_and_json(tmp_path):
    folder = make_sweep(tmp_path, none=0.1)
    text = write(compared(folder), {}, folder / "out" / "report")
    assert {path.name for path in (folder / "out").iterdir()} == {"report.html", "report.md", "report.json"}
    assert (folder / "out" / "report.md").read_text() == text


def test_write_refuses_a_folder_that_cannot_be_written(tmp_path):
    folder = make_sweep(tmp_path, none=0.1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="output: .*file/report' cannot be written"):
        write(compared(folder), {}, tmp_path / "file" / "report")


def test_write_refuses_an_empty_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="output: '.' given; name the files without their endings"):
        write(compared(make_sweep(tmp_path / "runs", seeds=(0,), none=0.1)), {}, Path())


@pytest.mark.slow
def test_json_has_the_numbers_of_the_comparison(tmp_path):
    content = written(make_sweep(tmp_path, extra={"news": ("sentiment",)}, none=0.1, backbone=0.4))
    comparison = compared(tmp_path)
    assert (content["baseline"], content["metric"], content["averaged_over"]) == (1, "macro_f1", ["seed"])
    for line, row in zip(content["conditions"], comparison.rows, strict=True):
        assert line["condition"] == row.condition.values
        assert line["costs"] == row.costs
        for test_set, scores in row.scores.items():
            for task, score in scores.items():
                expected = {"value": score.value, "margin": score.margin, "count": 3}
                assert line["test"][test_set][task] == expected
    found = content["conditions"][1]["differences"]
    for test_set, tasks in comparison.rows[1].differences.items():
        for task, difference in tasks.items():
            assert found[test_set][task]["adjusted_p"] == difference.adjusted_p
            assert found[test_set][task]["significant"] is difference.significant


def test_json_lists_all_runs_with_their_status(tmp_path):
    make_sweep(tmp_path, none=0.1)
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "train.log").write_text("[now][x][ERROR] this run failed: no\n")
    runs = {run["folder"]: (run["status"], run["message"]) for run in written(tmp_path)["runs"]}
    assert runs.pop(str(tmp_path / "failed")) == ("failed", "no")
    assert set(runs.values()) == {("done", "")}


@pytest.mark.slow
def test_script_writes_three_files_and_prints_the_table(tmp_path):
    make_sweep(tmp_path / "runs", none=0.1, backbone=0.4)
    done = script("report", str(tmp_path / "runs"), "--output", str(tmp_path / "out"), "--baseline", "freeze=backbone")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "out.md").read_text()
    assert {path.name for path in tmp_path.glob("out.*")} == {"out.html", "out.md", "out.json"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "is no folder"), ([".", "--metric", "f2"], "no runs in"), (["--baseline", "x"], "required: runs")],
)
def test_script_reports_mistakes_in_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = script("report", *arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
