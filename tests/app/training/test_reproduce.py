"""A run made again, by ``scripts/reproduce.py``."""

import json

import pytest
from support.commands import ROOT, TINY, script, train

from polyhead.app.training import reproduce
from polyhead.app.training.reproduce import differences, run
from polyhead.commands.reproduce import main
from polyhead.errors import UserError


def test_differences_names_what_differs_alone():
    before = {"versions": {"torch": "1", "numpy": "2"}, "seed": 0}
    after = {"versions": {"torch": "1", "numpy": "3"}, "seed": 1}
    assert list(differences(before, after, ("versions",))) == ["versions.numpy: 2 then, 3 now"]
    assert list(differences(before, before, ("versions", "data"))) == []


@pytest.mark.slow
def test_reproduce_trains_a_run_again_to_the_last_bit(tmp_path):
    done = train(*TINY, "freeze=embeddings", "weighting=uncertainty", "seed=3", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = script("reproduce", str(tmp_path / "run"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "the metrics are the same, to the last bit" in again.stdout
    data = json.loads((tmp_path / "run-again" / "provenance.json").read_text())["data"]
    assert set(data) == {"train", "validation", "test"}


@pytest.mark.parametrize("given", [".", "../run", "../run/again/.."])
def test_reproduce_puts_the_new_run_beside_the_folder_it_is_in(tmp_path, monkeypatch, given):
    (tmp_path / "run" / "again").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run")
    asked = []
    monkeypatch.setattr(reproduce, "run", lambda configs, original, folder, *_: asked.append(folder.resolve()) or True)
    assert main([given]) == 0
    assert asked == [tmp_path / "run-again"]


def test_reproduce_refuses_a_folder_without_a_finished_run(tmp_path):
    with pytest.raises(UserError, match="a finished run"):
        run(ROOT / "configs", tmp_path, tmp_path / "again")
