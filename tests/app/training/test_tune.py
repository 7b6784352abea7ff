"""Whole searches by ``scripts/tune.py``, on a tiny encoder."""

import json
import re
import shlex

import optuna
import pytest
import yaml
from hydra import compose, initialize_config_dir
from support.commands import ROOT, TINY, script

from polyhead.app.training.study_conclusion import conclusion
from polyhead.app.training.tune import _without_given, run
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
    overrides = shlex.split(paste.removeprefix("python train.py -m ").removesuffix(" seed=0,1,2"))
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        assert compose("train", overrides=overrides).data.sizes.train == 64
    runs = list((tmp_path / "study").glob("trial=*"))
    assert len(runs) >= 3
    for folder in runs:
        assert not (folder / "predictions.npz").exists()
        if (folder / "metrics.json").exists():
            assert json.loads((folder / "metrics.json").read_text())["test"] == {}
    assert "lightning" not in done.stdout.lower() + done.stderr.lower()


@pytest.mark.slow
def test_tune_tries_null_beside_other_values_and_begins_with_it_where_it_stands(tmp_path):
    space = space_file(tmp_path, space={"loader.balance": [None, "category"]}, seeds=[0])
    done = script("tune", *TINY, "logger=none", "trials=4", *space)
    assert done.returncode == 0, done.stderr
    trials = re.findall(r"^trial \d: complete .* loader.balance=(\w+)$", done.stdout, re.MULTILINE)
    assert trials[0] == "None"
    assert {*trials} == {"None", "category"}


def test_tune_needs_validation(tmp_path):
    (tmp_path / "train.csv").write_text("text,tone\n" + "".join(f"w{i},{'ab'[i % 2]}\n" for i in range(40)))
    data = ["data=files", f"data.files.train={tmp_path}/train.csv", "tasks=[tone]", "data.holdout.validation=0"]
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(SPACE))
    with pytest.raises(UserError, match="data: a study goes by validation, and no sentences are given or held out"):
        run(ROOT / "configs", space, [*TINY[3:], *data, f"data.cache={tmp_path}/cache"], tmp_path / "study", 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"optimizer.speed": [1, 2]}}, "space: optimizer.speed: no such key or group"),
        ({"space": {"optimizer.head_lr": 3}}, "space.optimizer.head_lr: 3 given"),
        ({"more": 1}, "must hold space, objectives, seeds and pruning"),
        ({"objectives": {"quality": "max"}}, "objectives: {'quality': 'max'} given; it must be a list"),
        ({"seeds": 3}, "seeds: 3 given; it must be a list"),
        ({"seeds": ["a"]}, "seeds.0: 'a' given; it must be a whole number"),
        ({"space": ["seed"]}, "space: .* given; it must be entries with names"),
        ({"objectives": ["quality", "seconds", "seconds"]}, "objectives: .* given; it must be quality, then any of"),
    ],
)
def test_tune_refuses_mistakes_before_any_trial(tmp_path, changes, message):
    space_file(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        run(ROOT / "configs", tmp_path / "space.yaml", [], tmp_path / "study", trials=1)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+nope=1", r"^\+nope=1: no such key"),
        ("seed=5", "^seed: given; a trial is the mean over the seeds of the --space"),
        ("test=true", "^test: given; a study never looks at the test set"),
        ("run_dir=x", "^run_dir: given; the runs of a study lie in its --folder"),
    ],
)
def test_tune_refuses_overrides_that_it_would_not_follow(tmp_path, override, message):
    space_file(tmp_path)
    with pytest.raises(UserError, match=message):
        run(ROOT / "configs", tmp_path / "space.yaml", [override], tmp_path / "study", trials=1)
    assert not (tmp_path / "study").exists()


def test_tune_does_not_search_what_the_command_line_gives(capsys):
    left = _without_given(Tuning(**SPACE), ["++optimizer.head_lr=0.01", "data.seed=1"])
    assert list(left.space) == ["weighting"]
    assert capsys.readouterr().out == "++optimizer.head_lr=0.01, as given: it is not searched\n"
    with pytest.raises(UserError, match="^space: all of its keys are given"):
        _without_given(left, ["weighting=equal"])


@pytest.mark.slow
def test_tune_calls_no_trial_as_it_stands_that_is_not_and_keeps_to_its_data(tmp_path):
    space = space_file(tmp_path, space={"optimizer.head_lr": [0.1, 0.2]}, seeds=[0])
    given = [*TINY, "logger=none", "trainer.max_epochs=1", "--trials", "1", *space]
    first = script("tune", *given)
    assert first.returncode == 0, first.stderr
    assert "as it stands: optimizer.head_lr=0.001 lies outside the space" in first.stdout
    assert "as it stands (trial" not in first.stdout
    other = script("tune", *given, "data.seed=7")
    assert other.returncode == 2
    (line,) = [line for line in other.stderr.splitlines() if line.startswith("error")]
    assert "holds a study of something else (data.seed: 0 -> 7, and 2 more)" in line


def test_tune_refuses_to_make_no_trial(tmp_path):
    with pytest.raises(UserError, match="^--trials: 0 given; it must be 1 or more$"):
        run(ROOT / "configs", ROOT / "configs" / "tune.yaml", [], tmp_path / "study", trials=0)


def test_tune_refuses_to_be_one_of_several_processes_of_a_launcher(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    with pytest.raises(UserError, match="start them one by one, or as sbatch --array"):
        run(ROOT / "configs", ROOT / "configs" / "tune.yaml", [], tmp_path / "study", trials=1)


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
    assert tuning.outside(values) == []


def test_conclusion_of_a_study_without_a_finished_trial_has_no_line_to_paste():
    study = optuna.create_study()
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    lines = list(conclusion(study, Tuning(**SPACE), [], "sqlite:///study.db", {}))
    assert lines == [
        "1 trials: 1 fail",
        "no trial has ended; look into the train.log of its run",
        "look closer: optuna-dashboard sqlite:///study.db",
    ]
