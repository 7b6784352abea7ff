import os

import numpy as np
import pytest
from support.run_folders import make_run

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder, find_runs


def test_folder_is_claimed_once(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.claim("seed: 0\n")
    with pytest.raises(UserError, match="holds another run"):
        run.claim("seed: 1\n")
    assert (run.folder / "config.yaml").read_text() == "seed: 0\n"


def test_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run").claim("")


def test_folder_that_was_cleared_can_be_claimed_and_keeps_its_log_empty(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.ckpt").write_text("weights")
    (folder / "train.log").write_text("old")
    run = RunFolder(folder)
    run.clear()
    assert os.listdir(folder) == ["train.log"]
    assert (folder / "train.log").read_text() == ""
    run.claim("seed: 0\n")


def test_json_is_read_as_it_was_written_and_no_part_is_left(tmp_path):
    run = RunFolder(tmp_path)
    run.write_json("metrics.json", {"a": [1, 2.5, None]})
    assert run.read_json("metrics.json") == {"a": [1, 2.5, None]}
    assert sorted(os.listdir(tmp_path)) == ["SHA256SUMS", "metrics.json"]


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    run = RunFolder(tmp_path)
    run.write_json("metrics.json", {"a": 1})
    with pytest.raises(TypeError):
        run.write_json("metrics.json", {"a": object()})
    assert run.read_json("metrics.json") == {"a": 1}
    assert sorted(os.listdir(tmp_path)) == ["SHA256SUMS", "metrics.json"]


@pytest.mark.parametrize("content", [None, "{", "[1]", "3"])
def test_json_that_is_missing_or_no_object_asks_whether_the_run_is_finished(tmp_path, content):
    if content:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match="is .* a finished run"):
        RunFolder(tmp_path).read_json("metrics.json")


def test_arrays_are_read_as_they_were_written_and_no_part_is_left(tmp_path):
    RunFolder(tmp_path).write_arrays("a.npz", {"test/category/label": np.arange(3, dtype=np.int16)})
    (array,) = RunFolder(tmp_path).read_arrays("a.npz").values()
    assert array.tolist() == [0, 1, 2]
    assert sorted(os.listdir(tmp_path)) == ["SHA256SUMS", "a.npz"]


def test_arrays_that_are_pickled_damaged_or_missing_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", a=np.array([object()]))
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and nothing more")
    for name in ("pickled.npz", "damaged.npz", "missing.npz"):
        with pytest.raises(UserError, match=f"{name}' cannot be read"):
            RunFolder(tmp_path).read_arrays(name)


def test_find_runs_looks_at_any_depth_and_sorts_by_numbers(tmp_path):
    for name in ("10_x", "2_x", "a/1_x"):
        make_run(tmp_path / "sweep" / name)
    assert [path.name for path in find_runs([tmp_path])] == ["2_x", "10_x", "1_x"]
    assert find_runs([tmp_path / "sweep" / "2_x", tmp_path / "sweep"])[0].name == "2_x"


def test_find_runs_passes_over_what_weights_and_biases_keeps_in_a_run(tmp_path):
    made = make_run(tmp_path / "run")
    theirs = made / "wandb" / "run-20260131_120000-a1b2c3d4" / "files"
    theirs.mkdir(parents=True)
    (theirs / "config.yaml").write_text("_wandb: {value: {}}\n")
    assert find_runs([tmp_path]) == [made]


@pytest.mark.parametrize(("path", "message"), [("nowhere", "is no folder"), (".", "no runs in '")])
def test_find_runs_refuses_paths_without_runs(tmp_path, path, message):
    with pytest.raises(UserError, match=message):
        find_runs(tmp_path / name for name in [path])
