"""What --help lists: the keys that a command reads, each with the comment of its YAML."""

import re
from pathlib import Path

import pytest
import yaml
from support.commands import ROOT

from polyhead.app.terminal.help import help_text

CONFIGS = ROOT / "configs"
COMMANDS = [path.stem for path in CONFIGS.glob("*.yaml") if "hydra" in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_the_keys_of_a_command_and_no_others(name):
    text = help_text(CONFIGS, name, [])
    own = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    keys = text.partition("Keys (key=value)")[2]
    listed = yaml.safe_load(keys.rpartition("\n--hydra-help")[0])
    groups = {group for entry in own["defaults"] if isinstance(entry, dict) for group in entry}
    expected = {*own, *groups} - {"defaults", "hydra", "soup", "experiment", "sweep"} - {"accelerator"}
    assert {*listed} - {"tasks"} == {key for key in expected if not key.startswith("override")}


def test_help_lists_every_option_of_every_group():
    text = help_text(CONFIGS, "train", [])
    for path in CONFIGS.glob("*/*.yaml"):
        line = next(line for line in text.splitlines() if line.startswith(f"  {path.parent.name}: "))
        assert path.stem in re.split(r"[\[\], ]+", line)


def test_help_lists_no_group_that_a_command_does_not_read():
    text = help_text(CONFIGS, "encode", [])
    assert "  encoder: " in text
    assert "weighting" not in text


def test_help_shows_the_options_that_the_command_line_chooses():
    text = help_text(CONFIGS, "train", ["freeze=lp_ft", "--help"])
    assert "[lp_ft]" in text
    assert "probe_epochs: 1  # of heads=trained" in text
    assert "# freeze=nope: no such option" in help_text(CONFIGS, "train", ["freeze=nope"])


def test_help_has_the_comment_of_each_key():
    text = help_text(CONFIGS, "train", [])
    for path in (CONFIGS / "train.yaml", CONFIGS / "optimizer" / "adamw.yaml"):
        commented = [line.strip() for line in path.read_text().partition("hydra:")[0].splitlines() if ":  #" in line]
        assert all(line in text for line in commented)


def test_help_of_a_configuration_without_groups(tmp_path: Path):
    (tmp_path / "small.yaml").write_text("# What it does.\n\nsize: 3  # in bytes\n")
    assert help_text(tmp_path, "small", []).startswith("What it does.\n\nKeys (key=value)\n\nsize: 3  # in bytes\n")
