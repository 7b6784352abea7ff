"""Names of the runs of a sweep."""

import pytest
from omegaconf import OmegaConf

from polyhead.app.terminal.run_names import folder_name, name_runs, run_name, split_jobs, swept_values


def sweep(task, params=None, hydra=()):
    content = {"sweeper": {"params": params}, "overrides": {"task": task, "hydra": list(hydra)}, "job": {"num": 3}}
    return OmegaConf.create({"hydra": content})


def named(config):
    """Return the name that each run gets."""
    name_runs(config)
    key, _, value = OmegaConf.to_container(config.hydra.overrides.hydra)[0].partition("=")
    assert key == "hydra.sweep.subdir"
    names = []
    for job in split_jobs(config):
        content = {"hydra": {"overrides": {"task": job}, "job": {"num": 3}}, "name": value.strip("'")}
        names.append(OmegaConf.create(content).name)
    return names


def test_runs_are_named_by_what_was_swept_in_that_order():
    config = sweep(["data=files", "seed=0,1", "data.files.train=a/b.csv", "freeze=none,backbone", "tasks=[mood,topic]"])
    assert named(config) == [
        "3_seed=0,freeze=none",
        "3_seed=0,freeze=backbone",
        "3_seed=1,freeze=none",
        "3_seed=1,freeze=backbone",
    ]


def test_runs_are_named_by_files_without_their_folders_and_kept_apart():
    assert named(sweep(["data.files.train=x/a.csv,y/b.csv"])) == ["3_data.files.train=a", "3_data.files.train=b"]
    first, other = named(sweep(["data.files.train=x/a.csv,y/a.csv"]))
    assert first.startswith("3_data.files.train=a~")
    assert first != other


def test_runs_are_named_by_a_sweeps_file_too_and_a_given_name_stays():
    assert named(sweep(["seed=4,5"], params={"freeze": "none,heads"}))[0] == "3_freeze=none,seed=4"
    assert named(sweep(["freeze=none"])) == ["3_default"]
    given = sweep(["seed=4,5"], hydra=["hydra.sweep.subdir=mine"])
    name_runs(given)
    assert given.hydra.overrides.hydra == ["hydra.sweep.subdir=mine"]


def test_swept_values_are_those_that_differ():
    assert swept_values([["a=1", "+b=x"], ["a=1", "+b=y"]]) == {"b": ["x", "y"]}
    assert run_name(["a=1", "+b=x"], ["b"], []) == "b=x"


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ("freeze=none,seed=0", "freeze=none,seed=0"),
        ("encoder.location=/a folder/bert", "encoder.location=-a-folder-bert"),
        ("freeze.frozen=[encoder],x=1", "freeze.frozen=[encoder],x=1"),
        ("", "default"),
    ],
)
def test_folder_name_is_made_of_the_overrides(overrides, name):
    assert folder_name(overrides) == name


def test_folder_name_is_never_too_long_for_a_file_system():
    assert all(len(folder_name(letter * 1000).encode()) <= 150 for letter in "aé")


def test_folder_names_that_differ_at_their_far_end_stay_apart():
    assert folder_name("x" * 200 + "seed=0") != folder_name("x" * 200 + "seed=1")
