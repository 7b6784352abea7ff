import pytest
from support.run_folders import make_run

from polyhead.errors import UserError
from polyhead.runs.record import find_runs, flat, read


def test_runs_are_found_at_any_depth_in_the_order_of_their_numbers(tmp_path):
    for name in ("10_x", "2_x", "a/1_x"):
        make_run(tmp_path / "sweep" / name)
    assert [path.name for path in find_runs([tmp_path])] == ["2_x", "10_x", "1_x"]
    assert find_runs([tmp_path / "sweep" / "2_x", tmp_path / "sweep"])[0].name == "2_x"


@pytest.mark.parametrize(("path", "message"), [("nowhere", "is no folder"), (".", "no runs in")])
def test_what_holds_no_runs_is_told(tmp_path, path, message):
    with pytest.raises(UserError, match=message):
        find_runs([tmp_path / path])


def test_both_layouts_of_test_metrics_read_the_same(tmp_path):
    one, several = read(make_run(tmp_path / "a")), read(make_run(tmp_path / "b", named_sets=True))
    assert one.tests == several.tests
    assert set(one.scores("accuracy")["test"]) == {"category", "sentiment", "mean"}


def test_a_run_whose_configuration_was_refused_failed(tmp_path):
    line = "[2026-01-01 00:00:00][polyhead][ERROR] this run failed: freeze.frozen: the model has no 'x'\n"
    (tmp_path / "train.log").write_text(line)
    record = read(tmp_path)
    assert (record.status, record.message) == ("failed", "freeze.frozen: the model has no 'x'")


def test_a_traceback_is_told_by_its_last_line(tmp_path):
    log = "[now][root][ERROR] this run failed\nTraceback (most recent call last):\nRuntimeError: out of memory\n"
    (tmp_path / "train.log").write_text(log)
    assert read(tmp_path).message == "RuntimeError: out of memory"


def test_a_run_without_metrics_is_unfinished(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "metrics.json").unlink()
    assert read(folder).status == "unfinished"


@pytest.mark.parametrize("name", ["metrics.json", "provenance.json"])
def test_a_damaged_file_is_a_failure_and_not_the_end(tmp_path, name):
    folder = make_run(tmp_path / "run")
    (folder / "metrics.json").write_text("{")
    assert read(folder).status == "failed"


@pytest.mark.parametrize("content", ["a: [", "- 1", "\x00"])
def test_a_configuration_that_is_none_is_empty(tmp_path, content):
    folder = make_run(tmp_path / "run")
    (folder / "config.yaml").write_text(content)
    assert read(folder).config == {}


def test_damaged_predictions_count_as_none(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "predictions.npz").write_bytes(b"nothing")
    assert read(folder).predictions == {}


def test_nested_configuration_is_flattened():
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
