import json
import os
import subprocess

import numpy as np
import pytest

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder, _git_state, provenance


def test_a_folder_is_claimed_once(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.claim("seed: 0\n")
    with pytest.raises(UserError, match="holds another run"):
        run.claim("seed: 1\n")
    assert (run.folder / "config.yaml").read_text() == "seed: 0\n"


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run").claim("")


def test_json_goes_and_comes_back_and_no_part_is_left(tmp_path):
    run = RunFolder(tmp_path)
    run.write_json("metrics.json", {"a": [1, 2.5, None]})
    assert run.read_json("metrics.json") == {"a": [1, 2.5, None]}
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    run = RunFolder(tmp_path)
    run.write_json("metrics.json", {"a": 1})
    with pytest.raises(TypeError):
        run.write_json("metrics.json", {"a": object()})
    assert run.read_json("metrics.json") == {"a": 1}


@pytest.mark.parametrize("content", [None, "{"])
def test_an_unfinished_run_is_told(tmp_path, content):
    if content:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match="is .* a finished run"):
        RunFolder(tmp_path).read_json("metrics.json")


def test_arrays_go_and_come_back_and_no_part_is_left(tmp_path):
    RunFolder(tmp_path).write_arrays("a.npz", {"test/category/label": np.arange(3, dtype=np.int16)})
    (array,) = RunFolder(tmp_path).read_arrays("a.npz").values()
    assert array.tolist() == [0, 1, 2]
    assert os.listdir(tmp_path) == ["a.npz"]


def test_pickled_and_damaged_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", a=np.array([object()]))
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and nothing more")
    for name in ("pickled.npz", "damaged.npz", "missing.npz"):
        with pytest.raises(UserError, match=f"{name}' cannot be read"):
            RunFolder(tmp_path).read_arrays(name)


def test_provenance_is_plain_json_and_names_versions():
    facts = json.loads(json.dumps(provenance(seed=0, precision="32-true", device="cpu")))
    assert facts["seed"] == 0
    assert {"torch", "lightning", "transformers", "polyhead"} <= facts["versions"].keys()
    assert facts["hardware"]["threads"] >= 1


def test_git_state(tmp_path):
    assert _git_state(tmp_path) is None
    environment = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }

    def git(*arguments):
        subprocess.run(
            ["git", "-C", tmp_path, *arguments], check=True, capture_output=True, env=os.environ | environment
        )

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    clean = _git_state(tmp_path)
    (tmp_path / "file").write_text("2")
    assert clean == {"commit": _git_state(tmp_path)["commit"], "changed": False}
    assert _git_state(tmp_path)["changed"] is True
