"""Runs of one configuration whose data changed are not averaged."""

import yaml
from support.run_folders import compared, make_provenance, make_run

from polyhead.runs.folder import RunFolder


def noted(folder, seed, train, **settings):
    """Write a run that noted a digest of its training sentences."""
    make_run(folder, seed, **settings)
    data = {"train": train} if train else {}
    make_provenance(choices={"freeze": "none"}, seed=seed, data=data).write(RunFolder(folder))


def conditions(folder):
    comparison = compared(folder)
    return {row.condition.values.get("sentences"): len(row.condition.runs) for row in comparison.rows}, comparison


def test_runs_on_changed_data_are_a_condition_of_their_own_and_a_note_says_so(tmp_path):
    for seed, train in enumerate(["old", "old", "new", "new"]):
        noted(tmp_path / str(seed), seed, train)
    found, comparison = conditions(tmp_path)
    assert found == {"1": 2, "2": 2}
    assert comparison.replaced == []
    (note,) = [note for note in comparison.notes if "data changed" in note]
    assert note.startswith("#1: " if comparison.rows[0].condition.values["sentences"] == "2" else "#2: ")


def test_a_run_does_not_replace_one_of_its_seed_on_other_data(tmp_path):
    noted(tmp_path / "0", 0, "old")
    noted(tmp_path / "0.before-1", 0, "new")
    found, comparison = conditions(tmp_path)
    assert found == {"1": 1, "2": 1}
    assert comparison.replaced == []


def test_runs_whose_data_differ_as_their_configuration_asks_are_averaged(tmp_path):
    for seed in (0, 1):
        noted(tmp_path / str(seed), seed, f"data of {seed}")
        path = tmp_path / str(seed) / "config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"data": {"seed": seed}}))
    found, _ = conditions(tmp_path)
    assert found == {None: 2}


def test_runs_that_noted_no_data_stand_with_the_others(tmp_path):
    noted(tmp_path / "0", 0, "old")
    noted(tmp_path / "1", 1, None)
    found, _ = conditions(tmp_path)
    assert found == {None: 2}
