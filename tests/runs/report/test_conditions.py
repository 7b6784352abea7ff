import yaml
from support.run_folders import make_provenance, make_run, make_sweep

from polyhead.runs.folder import RunFolder, find_runs
from polyhead.runs.record import read
from polyhead.runs.report.conditions import group


def grouped(folder, over=("seed",)):
    return group([read(path) for path in find_runs([folder])], over)


def change(folder, **leaves):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | leaves))


def test_group_puts_seeds_together_and_names_conditions_by_the_option_that_decides(tmp_path):
    conditions, replaced = grouped(make_sweep(tmp_path, none=0.1, backbone=0.3))
    assert {condition.name: len(condition.runs) for condition in conditions} == {"freeze=none": 3, "freeze=backbone": 3}
    assert replaced == []


def test_group_gives_values_that_no_option_decides_columns_of_their_own(tmp_path):
    for count in (2, 4):
        folder = make_run(tmp_path / f"lower_{count}", freeze="lower_layers")
        change(folder, freeze={"_target_": "Freezing.lower_layers", "count": count})
    make_run(tmp_path / "none")
    conditions, _ = grouped(tmp_path)
    values = [dict(condition.values) for condition in conditions]
    assert {"freeze": "lower_layers", "freeze.count": "2"} in values
    assert {"freeze": "none", "freeze.count": "–"} in values


def test_group_knows_no_difference_by_what_is_off_or_only_measures(tmp_path):
    """A run of an earlier version has no such group at all."""
    make_run(tmp_path / "earlier")
    for seed, health in enumerate([{}, {"pairs": "a.csv", "sentences": 9}], start=1):
        change(make_run(tmp_path / f"now_{seed}", seed), keep_embedding={}, health=health)
    conditions, replaced = grouped(tmp_path)
    assert ([len(condition.runs) for condition in conditions], replaced) == ([3], [])


def test_group_knows_no_difference_by_where_a_run_is_logged(tmp_path):
    """Weights & Biases and MLflow have the name of each run."""
    for seed in range(3):
        logger = {"wandb": {"_target_": "WandbLogger", "name": f"seed={seed}"}}
        change(make_run(tmp_path / f"seed={seed}", seed), logger=logger)
    make_run(tmp_path / "plain", seed=3)
    conditions, replaced = grouped(tmp_path)
    assert ([len(condition.runs) for condition in conditions], replaced) == ([4], [])


def test_group_goes_by_values_where_choices_were_not_noted(tmp_path):
    for path in find_runs([make_sweep(tmp_path, seeds=(0,), none=0.1, lower=0.2)]):
        (path / "provenance.json").unlink()
    conditions, _ = grouped(tmp_path)
    assert {condition.values["freeze._target_"] for condition in conditions} == {"Freezing", "lower_layers"}


def test_group_replaces_a_run_by_a_later_one_of_the_same_configuration_and_seed(tmp_path):
    make_run(tmp_path / "1", seed=0)
    make_run(tmp_path / "2", seed=0)
    (condition,), replaced = grouped(tmp_path)
    assert [record.folder.name for record in condition.runs.values()] == ["2"]
    assert [record.folder.name for record in replaced] == ["1"]


def test_group_averages_over_other_keys(tmp_path):
    for number in range(3):
        change(make_run(tmp_path / str(number)), data={"seed": number})
    assert len(grouped(tmp_path)[0]) == 3
    (condition,), _ = grouped(tmp_path, over=("seed", "data.seed"))
    assert condition.name == "all runs"
    assert set(condition.runs) == {(0, 0), (0, 1), (0, 2)}


def test_group_makes_no_condition_of_paths_in_a_run_s_own_folder_even_where_some_have_none(tmp_path):
    for seed in (0, 1):
        folder = make_run(tmp_path / f"with_{seed}", seed=seed)
        change(folder, callbacks={"last": {"dirpath": f"{folder}/checkpoints"}})
        make_run(tmp_path / f"without_{seed}", seed=seed)
    conditions, _ = grouped(tmp_path)
    assert [len(condition.runs) for condition in conditions] == [2, 2]
    assert {condition.values["callbacks.last.dirpath"] for condition in conditions} == {"checkpoints", "–"}


def test_columns_stand_in_the_order_of_the_command_line_and_files_are_named_by_their_stems(tmp_path):
    for number, train in enumerate(("a/one.csv", "b/two.csv")):
        folder = make_run(tmp_path / str(number), freeze=("none", "backbone")[number])
        change(folder, data={"files": {"train": train}})
        overrides = [f"data.files.train={train}", "freeze=none"]
        choices = {"freeze": ("none", "backbone")[number]}
        make_provenance(choices=choices, overrides=overrides).write(RunFolder(folder))
    conditions, _ = grouped(tmp_path)
    assert conditions[0].name == "data.files.train=one freeze=none"
