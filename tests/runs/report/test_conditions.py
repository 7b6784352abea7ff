import yaml
from support.run_folders import make_run, make_sweep

from polyhead.runs.record import find_runs, read
from polyhead.runs.report.settings import group


def grouped(folder, over=("seed",)):
    return group([read(path) for path in find_runs([folder])], over)


def change(folder, **leaves):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | leaves))


def test_seeds_belong_together_and_an_option_stands_for_its_values(tmp_path):
    settings, replaced = grouped(make_sweep(tmp_path, none=0.1, backbone=0.3))
    assert {setting.name: len(setting.runs) for setting in settings} == {"freeze=none": 3, "freeze=backbone": 3}
    assert replaced == []


def test_values_that_an_option_does_not_decide_are_columns_of_their_own(tmp_path):
    for count in (2, 4):
        folder = make_run(tmp_path / f"lower_{count}", freeze="lower_layers")
        change(folder, freeze={"_target_": "Freezing.lower_layers", "count": count})
    make_run(tmp_path / "none")
    settings, _ = grouped(tmp_path)
    values = [dict(setting.values) for setting in settings]
    assert {"freeze": "lower_layers", "freeze.count": "2"} in values
    assert {"freeze": "none", "freeze.count": "–"} in values


def test_without_choices_the_values_stand_for_themselves(tmp_path):
    for path in find_runs([make_sweep(tmp_path, seeds=(0,), none=0.1, lower=0.2)]):
        (path / "provenance.json").unlink()
    settings, _ = grouped(tmp_path)
    assert {setting.values["freeze._target_"] for setting in settings} == {"Freezing", "lower_layers"}


def test_a_later_run_of_the_same_configuration_and_seed_replaces_the_earlier(tmp_path):
    make_run(tmp_path / "1", seed=0)
    make_run(tmp_path / "2", seed=0)
    (setting,), replaced = grouped(tmp_path)
    assert [record.folder.name for record in setting.runs.values()] == ["2"]
    assert [record.folder.name for record in replaced] == ["1"]


def test_other_keys_can_be_averaged_over(tmp_path):
    for number in range(3):
        change(make_run(tmp_path / str(number)), data={"seed": number})
    assert len(grouped(tmp_path)[0]) == 3
    (setting,), _ = grouped(tmp_path, over=("seed", "data.seed"))
    assert setting.name == "all runs"
    assert set(setting.runs) == {(0, 0), (0, 1), (0, 2)}


def test_paths_in_a_run_s_own_folder_are_no_setting_even_where_some_runs_have_none(tmp_path):
    for seed in (0, 1):
        folder = make_run(tmp_path / f"with_{seed}", seed=seed)
        change(folder, callbacks={"last": {"dirpath": f"{folder}/checkpoints"}})
        make_run(tmp_path / f"without_{seed}", seed=seed)
    settings, _ = grouped(tmp_path)
    assert [len(setting.runs) for setting in settings] == [2, 2]
    assert {setting.values["callbacks.last.dirpath"] for setting in settings} == {"RUN/checkpoints", "–"}
