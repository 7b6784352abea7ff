import pytest

from polyhead.runs.old_names import new_key, new_target, old_keys, old_targets, upgrade, upgrade_choices


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("features", "activation_cache"),
        ("features.folder", "activation_cache.folder"),
        ("data.cut.test", "data.holdout.test"),
        ("data.cutting", "data.cutting"),
        ("featuress", "featuress"),
        ("encoder", "encoder"),
    ],
)
def test_new_key_renames_whole_parts_of_a_key(old, new):
    assert new_key(old) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("polyhead.freezing.Freezing", "polyhead.freezing.FreezeSpec"),
        ("polyhead.freezing.Freezing.lower_layers", "polyhead.freezing.FreezeSpec.lower_layers"),
        ("polyhead.weighting.Equal", "polyhead.objectives.weighting.Equal"),
        ("polyhead.sources.FileSource", "polyhead.sources.FileSource"),
        ("lightning.Trainer", "lightning.Trainer"),
    ],
)
def test_new_target_renames_what_has_moved(old, new):
    assert new_target(old) == new
    assert new_target(new) == new


def test_upgrade_renames_keys_targets_and_interpolations_at_any_depth():
    old = {
        "freeze": {"_target_": "polyhead.schedules.Thawing", "thaw": [{"epoch": 1, "parts": ["heads"]}]},
        "features": {"folder": "f"},
        "callbacks": [{"x": {"_target_": "polyhead.callbacks.best.BestCheckpoint", "dirpath": "a/${features.folder}"}}],
        "seed": 0,
    }
    assert upgrade(old) == {
        "freeze": {"_target_": "polyhead.freezing.UnfreezeSchedule", "unfreeze": [{"epoch": 1, "parts": ["heads"]}]},
        "activation_cache": {"folder": "f"},
        "callbacks": [
            {
                "x": {
                    "_target_": "polyhead.training.callbacks.BestCheckpoint",
                    "dirpath": "a/${activation_cache.folder}",
                }
            }
        ],
        "seed": 0,
    }
    assert old_keys(old) == ["features", "freeze.thaw"]
    assert old_targets(old) == {"polyhead.schedules.Thawing", "polyhead.callbacks.best.BestCheckpoint"}
    assert "features" in old, "what is given stays as it is"


def test_upgrade_leaves_today_s_configuration_as_it_is():
    today = {"encoder": {"location": "x"}, "data": None, "features_of_mine": 1, "loader": "flat"}
    assert upgrade(today) == today
    assert old_keys(today) == []


def test_upgrade_lets_an_old_key_win_but_over_what_is_kept():
    both = {"loader": {"bucket_batches": 50, "window": 5}, "features": {"limit_gb": 3}}
    both["activation_cache"] = {"limit_gb": 20, "folder": "f"}
    assert upgrade(both) == {"loader": {"bucket_batches": 5}, "activation_cache": {"limit_gb": 3, "folder": "f"}}
    kept = upgrade(both, kept=["loader.bucket_batches", "activation_cache.limit_gb"])
    assert kept == {"loader": {"bucket_batches": 50}, "activation_cache": {"limit_gb": 20, "folder": "f"}}


def test_upgrade_choices_renames_groups_and_options():
    old = {"features": "disk", "freeze": "thawing", "data": "files", "soup": None}
    assert upgrade_choices(old) == {"activation_cache": "disk", "freeze": "schedule", "data": "files", "soup": None}
