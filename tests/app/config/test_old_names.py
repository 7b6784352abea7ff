import pytest
from omegaconf import OmegaConf
from support.commands import train
from support.configs import CONFIGS

from polyhead.app.config.hydra_state import compose_as_train
from polyhead.app.config.old_names import _announce, announce_environment, new_overrides, rename_hint, upgrade_composed


@pytest.fixture(autouse=True)
def _fresh():
    _announce.cache_clear()


def note(old, new):
    return f"note: {old} is now {new}; the old name works in this version, and not in the next\n"


@pytest.mark.parametrize(
    ("old", "new", "notes"),
    [
        ("encoder.source=a", "encoder.location=a", note("encoder.source", "encoder.location")),
        ("features=disk,off", "activation_cache=disk,off", note("features", "activation_cache")),
        ("+features@x=off", "+activation_cache@x=off", note("features", "activation_cache")),
        ("~features", "~activation_cache", note("features", "activation_cache")),
        ("~data.cut.test", "~data.holdout.test", note("data.cut.test", "data.holdout.test")),
        ("++loader.window=[1,2]", "++loader.bucket_batches=[1,2]", note("loader.window", "loader.bucket_batches")),
        ("loader={window: 5}", "loader={bucket_batches: 5}", note("loader.window", "loader.bucket_batches")),
        ("freeze=thawing", "freeze=schedule", note("freeze=thawing", "freeze=schedule")),
        ("freeze=none,thawing", "freeze=none,schedule", note("freeze=thawing", "freeze=schedule")),
        ("freeze='thawing'", "freeze='schedule'", note("freeze=thawing", "freeze=schedule")),
        ("freeze=choice(thawing,none)", "freeze=choice(schedule,none)", note("freeze=thawing", "freeze=schedule")),
        ("freeze.thaw=[]", "freeze.unfreeze=[]", note("freeze.thaw", "freeze.unfreeze")),
        ("x=${loader.window}", "x=${loader.bucket_batches}", ""),
        ("freeze._target_=polyhead.schedules.Gradual", "freeze._target_=polyhead.freezing.Gradual", ""),
    ],
)
def test_new_overrides_take_old_names_as_they_are_meant_and_say_so(capsys, old, new, notes):
    assert new_overrides([old]) == [new]
    assert capsys.readouterr().err == notes
    assert new_overrides([new]) == [new]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "argument", ["-m", "--config-dir", "features", "freeze=my_thawing", "freeze=thawing/x", "run_dir=features=1", "a b"]
)
def test_new_overrides_leave_alone_what_is_no_old_name(capsys, argument):
    assert new_overrides([argument]) == [argument]
    assert capsys.readouterr().err == ""


def test_announcements_are_made_once_and_by_the_first_process(capsys, monkeypatch):
    new_overrides(["features=disk", "features=off"])
    assert len(capsys.readouterr().err.splitlines()) == 1
    _announce.cache_clear()
    monkeypatch.setenv("LOCAL_RANK", "1")
    new_overrides(["features=disk"])
    assert capsys.readouterr().err == ""


def test_upgrade_composed_takes_old_names_from_the_user_s_files(capsys):
    config = OmegaConf.create({"loader": {"bucket_batches": 50, "window": 5}, "run_dir": "${hydra:runtime.output_dir}"})
    config.encoder = {"_target_": "polyhead.pretrained.EncoderSource", "source": "a"}
    upgraded = upgrade_composed(config, [])
    assert OmegaConf.to_container(upgraded) == {
        "loader": {"bucket_batches": 5},
        "run_dir": "${hydra:runtime.output_dir}",
        "encoder": {"_target_": "polyhead.models.PretrainedEncoder", "location": "a"},
    }
    assert OmegaConf.is_struct(upgraded)
    assert [line.split(";")[0] for line in capsys.readouterr().err.splitlines()] == [
        "note: encoder.source is now encoder.location",
        "note: loader.window is now loader.bucket_batches",
        "note: _target_: polyhead.pretrained.EncoderSource is now polyhead.models.PretrainedEncoder",
    ]
    assert upgrade_composed(config, ["loader.bucket_batches=7"]).loader == {"bucket_batches": 50}


def test_upgrade_composed_leaves_today_s_configuration_as_it_is(capsys):
    config = OmegaConf.create({"loader": {"bucket_batches": 50}})
    assert upgrade_composed(config, []) is config
    assert capsys.readouterr().err == ""


def test_announce_environment_names_the_new_variable_where_the_old_one_is_used(capsys, monkeypatch):
    monkeypatch.setenv("POLYHEAD_FEATURES", "x")
    monkeypatch.setenv("POLYHEAD_ACTIVATIONS", "y")
    announce_environment()
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("POLYHEAD_ACTIVATIONS")
    announce_environment()
    assert capsys.readouterr().err == note("POLYHEAD_FEATURES", "POLYHEAD_ACTIVATIONS")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (("features",), "features is now activation_cache"),
        (("features", "disk"), "features is now activation_cache"),
        (("freeze", "thawing"), "freeze=thawing is now freeze=schedule"),
        (("freeze", "thaw"), None),
        (("freeze",), None),
    ],
)
def test_rename_hint_gives_the_new_name_of_what_was_renamed(name, hint):
    assert rename_hint(*name) == hint


@pytest.mark.slow
@pytest.mark.parametrize(("given", "size"), [([], 7), (["loader.window=3"], 3), (["loader.bucket_batches=3"], 3)])
def test_a_user_s_own_experiment_may_have_old_keys(tmp_path, given, size):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nloader: {window: 7}\n")
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine", "run_dir=run", *given]
    config = compose_as_train(CONFIGS, overrides)
    assert config.loader.bucket_batches == size
    assert "window" not in config.loader


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("override /freeze: thawing", "freeze=thawing is now freeze=schedule"),
        ('override /features: "off"', "features is now activation_cache"),
        ("override /activation_cache: off", 'write it in quotes, as in "off"'),
    ],
)
def test_an_old_name_in_a_list_of_defaults_is_one_line_with_the_new_one(tmp_path, line, hint):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\ndefaults:\n  - {line}\n")
    done = train("--config-dir", str(tmp_path), "experiment=mine", cwd=tmp_path)
    assert done.returncode == 2
    (printed,) = done.stderr.splitlines()
    assert printed.startswith("error: ")
    assert hint in printed


@pytest.mark.slow
def test_a_command_line_with_old_names_prints_a_line_for_each_and_runs(tmp_path):
    done = train("freeze=none,thawing", "features=off", "--cfg", "job", "--multirun", cwd=tmp_path)
    shown = train("freeze=thawing", "features.limit_gb=3", "--cfg", "job", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stderr.splitlines()) == 2
    config = OmegaConf.create(shown.stdout)
    assert config.freeze._target_ == "polyhead.freezing.UnfreezeSchedule"
    assert config.activation_cache.limit_gb == 3
    assert done.stderr.count("note: ") == 2
