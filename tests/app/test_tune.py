"""Whole searches by ``scripts/tune.py``, on a tiny encoder."""

import json

import pytest
import yaml
from hydra import compose, initialize_config_dir
from support.commands import ROOT, TINY, script

from polyhead.app.tune import run
from polyhead.errors import UserError
from polyhead.runs.tuning import Tuning

SPACE = {
    "space": {"optimizer.head_lr": {"low": 1.0e-4, "high": 1.0e-1, "log": True}, "weighting": ["equal", "uncertainty"]},
    "objectives": ["quality"],
    "seeds": [0, 1],
    "pruning": {"startup_trials": 1, "warmup_epochs": 1},
}


def space_file(folder, **changes):
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE | changes))
    return ["--space", str(folder / "space.yaml"), "--folder", str(folder / "study")]


@pytest.mark.slow
def test_tune_ends_with_a_line_to_paste_and_never_looks_at_the_test_set(tmp_path):
    done = script("tune", *TINY, "logger=none", "--trials", "3", *space_file(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("trial ")]) == 3
    (paste, *_) = [line.strip() for line in lines if line.startswith("  python train.py -m")]
    overrides = paste.removeprefix("python train.py -m ").removesuffix(" seed=0,1,2").split()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        assert compose("train", overrides=overrides).data.sizes.train == 64
    runs = list((tmp_path / "study").glob("trial=*"))
    assert len(runs) >= 3
    for folder in runs:
        assert not (folder / "predictions.npz").exists()
        if (folder / "metrics.json").exists():
            assert json.loads((folder / "metrics.json").read_text())["test"] == {}
    assert "lightning" not in done.stdout.lower() + done.stderr.lower()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"optimizer.speed": [1, 2]}}, "space: optimizer.speed: no such key or group"),
        ({"space": {"optimizer.head_lr": 3}}, "space.optimizer.head_lr: 3 given"),
        ({"more": 1}, "must hold space, objectives, seeds and pruning"),
    ],
)
def test_tune_refuses_mistakes_before_any_trial(tmp_path, changes, message):
    space_file(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        run(ROOT / "configs", tmp_path / "space.yaml", [], tmp_path / "study", trials=1)
    assert not (tmp_path / "study").exists()


def test_tune_refuses_to_make_no_trial(tmp_path):
    with pytest.raises(UserError, match="^--trials: 0 given; it must be 1 or more$"):
        run(ROOT / "configs", ROOT / "configs" / "tune.yaml", [], tmp_path / "study", trials=0)


@pytest.mark.slow
def test_tune_explains_a_wrong_override_in_one_line(tmp_path):
    done = script("tune", "freez=none", *space_file(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: freez: no such key; did you mean 'freeze'")


def test_the_space_that_ships_is_well_formed_and_holds_the_defaults():
    tuning = Tuning(**yaml.safe_load((ROOT / "configs" / "tune.yaml").read_text()))
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train")
    values = {}
    for key in tuning.space:
        node = config
        for part in key.split("."):
            node = node[part]
        values[key] = node
    assert tuning.inside(values) == values
