"""``--config-dir DIR``: options of the user's own, in every command that composes the configuration of a run."""

import json

import pytest
import yaml
from support.commands import ROOT, TINY, run

OWN = {
    "experiment/mine.yaml": "# @package _global_\ndefaults: [override /freeze: mine]\noptimizer: {head_lr: 0.02}\n",
    "freeze/mine.yaml": "_target_: polyhead.freezing.FreezeSpec\nfrozen: [encoder.embeddings]\n",
    "soup/mine.yaml": "defaults: [uniform, _self_]\nrecipe: greedy\n",
}
RUN = [*TINY, "experiment=mine", "trainer.precision=32-true", "logger=none"]
COMMANDS = {
    "train": ["experiment=mine"],
    "sweep": ["experiment=mine"],
    "tune": ["experiment=mine", "trials=1"],
    "soup": ["first", "second", "recipe=mine"],
    "reproduce": ["second"],
}
"""Command -> arguments that need the folder."""


def polyhead(*arguments, cwd):
    return run(ROOT / "tests" / "support" / "polyhead", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with options in ``own``, and two runs made by them; the second continues the first."""
    root = tmp_path_factory.mktemp("config_dir")
    for name, content in OWN.items():
        path = root / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    made = polyhead("train", "--config-dir", "own", *RUN, "hydra.run.dir=first", cwd=root)
    assert made.returncode == 0, made.stderr
    more = ["resume=first", "trainer.max_epochs=3", "hydra.run.dir=second"]
    made = polyhead("train", "-cd", "own", *more, cwd=root)
    assert made.returncode == 0, made.stderr
    return root


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments"), COMMANDS.items())
def test_config_dir_is_missed_in_one_line(folder, name, arguments):
    done = polyhead(name, *arguments, cwd=folder)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "mine" in line


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_config_dir_that_is_not_there_is_one_line(tmp_path, name):
    done = polyhead(name, "--config-dir=nowhere", *COMMANDS[name][:1], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: --config-dir: no folder 'nowhere'; name one that holds GROUP/NAME.yaml\n"


@pytest.mark.slow
def test_tune_composes_each_trial_with_the_folder_and_prints_it(folder):
    pruning = {"startup_trials": 1, "warmup_epochs": 1}
    space = {"space": {"weighting": ["equal"]}, "objectives": ["quality"], "seeds": [0], "pruning": pruning}
    (folder / "space.yaml").write_text(yaml.safe_dump(space))
    done = polyhead("tune", "--config-dir", "own", *RUN, "trials=1", "space=space.yaml", "folder=study", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "  polyhead train -m --config-dir own " in done.stdout
    config = yaml.safe_load((folder / "study" / "trial=0,seed=0" / "config.yaml").read_text())
    assert config["freeze"]["frozen"] == ["encoder.embeddings"]
    assert config["optimizer"]["head_lr"] == 0.02


@pytest.mark.slow
def test_soup_takes_a_recipe_of_the_folder(folder):
    done = polyhead("soup", "first", "second", "-cd", "own", "recipe=mine", "folder=soup", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((folder / "soup" / "config.yaml").read_text())["soup"]["recipe"] == "greedy"
    assert json.loads((folder / "soup" / "provenance.json").read_text())["choices"]["soup"] == "mine"


@pytest.mark.slow
def test_reproduce_composes_what_a_run_continued_with_the_folder(folder):
    done = polyhead("reproduce", "second", "--config-dir", "own", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the metrics are the same, to the last bit" in done.stdout
