"""The run of somebody else: what its files ask for is not done, by no command that reads a run."""

import json
import shutil
from copy import deepcopy
from functools import cache
from importlib import import_module
from os.path import relpath
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.bundles import naming_a_path
from support.commands import ROOT, script
from support.hostile import CANARY, changed, hostile_changes

from polyhead.app.config import hydra_state, trust
from polyhead.app.config.run_config import read_config
from polyhead.app.loaded.trained import build_encoder, load_as_tested, load_trained_run
from polyhead.app.terminal.command_line import quoted, take_trust
from polyhead.app.training import reproduce, soup
from polyhead.app.training.soup_check import check
from polyhead.errors import UserError
from polyhead.runs.old_names import upgrade
from polyhead.runs.record import read_all
from polyhead.storage.documents import read_yaml

CONFIGS = ROOT / "configs"
MADE = ROOT / "tests" / "made_by" / "0.1.0"
HOSTILE = hostile_changes(Path("FOLDER"))


@pytest.fixture
def run(tmp_path):
    """Copy a finished run, its configuration under the names of today."""
    shutil.copytree(MADE / "full", tmp_path / "run")
    shutil.copytree(MADE / "encoder", tmp_path / "encoder")
    text = (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8").replace("/home/user/runs/full", "/their/run")
    write(tmp_path / "run", upgrade(yaml.safe_load(text)) | {"run_dir": "/their/run"})
    change(tmp_path / "run", {"encoder.location": str(tmp_path / "encoder")})
    return tmp_path / "run"


def write(run, config):
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def change(run, changes):
    write(run, changed(read_yaml(run / "config.yaml"), changes))


@cache
def composed(name, *overrides):
    """Compose a configuration, once for all runs that lie in the working folder."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(name, overrides=overrides, return_hydra_config=name == "encode")


def command(name, run, *overrides):
    """Do in this process what a script does with a run."""
    config = deepcopy(composed(name, f"run={quoted(relpath(run))}", *overrides))
    if name == "encode":
        hydra_state.HydraConfig.instance().set_config(config)
        config = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    import_module(f"polyhead.app.jobs.{name}").run(config)


def export(run, *overrides):
    command("export", run, f"output={relpath(run.with_name('bundle'))}", *overrides)


def encode(run, *overrides):
    (run.parent / "texts.txt").write_text("one\n")
    places = [f"{key}={relpath(run.with_name(name))}" for key, name in (("input", "texts.txt"), ("output", "a.npy"))]
    command("encode", run, *places, *overrides)


def make_soup(run):
    other = run.with_name("run-2")
    shutil.copytree(run, other, dirs_exist_ok=True)
    soup.run(CONFIGS, [run, other], run.with_name("soup"), "uniform")


def start_from_soup(run):
    check([str(run)], OmegaConf.create(read_yaml(MADE / "full" / "config.yaml")), {})


def start_from_encoder(run):
    config = composed("train", "encoder=local", f"encoder.location={quoted(relpath(run))}")
    build_encoder(config.encoder, trust=[])


COMMANDS = {
    "export": export,
    "encode": encode,
    "reproduce": lambda run: reproduce.run(CONFIGS, run, run.with_name("again")),
    "soup": make_soup,
    "train soup.runs": start_from_soup,
    "evaluate": load_as_tested,
    "encoder.location": start_from_encoder,
    "load": load_trained_run,
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", HOSTILE)
def test_commands_refuse_what_a_run_would_build_and_run_nothing(run, tmp_path, monkeypatch, attack):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary_package.py").write_text(f"open({str(tmp_path / CANARY)!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    change(run, hostile_changes(tmp_path)[attack])
    for name, read in COMMANDS.items():
        with pytest.raises(UserError, match=r"run: its config\.yaml has ") as error:
            read(run)
        assert "\n" not in str(error.value), name
    read_all([run])  # the report's reading, which builds nothing
    assert not (tmp_path / CANARY).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["run", "run-2", "encoder", "canary_package.py", "texts.txt"]
    )


def test_hostile_table_would_run_code_where_it_is_not_refused(run, tmp_path, monkeypatch):
    """The canary can sing: without the check an attack of the table runs."""
    monkeypatch.setattr("polyhead.app.config.run_config.check_config", lambda *_: None)
    change(run, hostile_changes(tmp_path)["shutil.copyfile"])
    with pytest.raises(AttributeError):
        load_trained_run(run)
    assert (tmp_path / CANARY).exists()


@pytest.mark.slow
def test_export_script_refuses_a_hostile_run_in_one_line(run, tmp_path):
    change(run, hostile_changes(tmp_path)["nested in a callback"])
    done = script("export", str(run), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "allow it by trust=pathlib" in done.stderr
    assert not (tmp_path / CANARY).exists()


def test_load_trained_run_takes_a_run_of_polyheads_own_names(run):
    assert load_trained_run(run).tasks
    assert load_trained_run(run, cache="elsewhere").config.data.get("cache") in (None, "elsewhere")


@pytest.mark.slow
def test_trust_allows_a_package_and_no_other(run, tmp_path, monkeypatch):
    (tmp_path / "my_package.py").write_text("import os\nclass Mine:\n    def __init__(self, **values): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    change(run, {"callbacks.mine": {"_target_": "my_package.Mine", "values": {"weights_only": 1}}})
    with pytest.raises(UserError, match="allow it by trust=my_package$"):
        read_config(run)
    with pytest.raises(UserError, match="trust=my_package$"):
        read_config(run, trust=["my_pack", "my_package.Other"])
    change(run, {"callbacks.mine.values": 1})
    assert read_config(run, trust=["my_package"]).callbacks.mine._target_ == "my_package.Mine"
    assert read_config(run, trust=["my_package"]).trust == ["my_package"]
    export(run, "trust=my_package", "classifiers=true", "sentences=test")
    assert naming_a_path(tmp_path / "bundle", tmp_path, run, Path("/their/run")) == []
    assert json.loads((tmp_path / "bundle" / "tasks.json").read_text())["made_with"]["encoder"] == "encoder"


def test_trust_of_a_run_is_not_taken_from_its_own_configuration(run, tmp_path):
    change(run, {"trust": ["pathlib"], **hostile_changes(tmp_path)["callback"]})
    with pytest.raises(UserError, match="allow it by trust=builtins"):
        read_config(run)
    change(run, {"callbacks": {}})
    assert read_config(run).trust == []


@pytest.mark.parametrize("given", [5, [1], "a b", ["os.system()"], {"a": 1}, "", "."])
def test_trust_names_packages_alone(given):
    with pytest.raises(UserError, match="trust: .* given; it must be the name of a Python package"):
        trust.check_trust(given)


def test_trust_is_taken_from_command_lines_without_hydra():
    assert take_trust(["a", "trust=b", "--folder", "c", "trust=[d,e]"]) == (["a", "--folder", "c"], ["b", "d", "e"])


def targets(node, place=()):
    """Yield each target of a configuration with its place."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"], place
        for key, part in node.items():
            yield from targets(part, (*place, key))


def test_trust_takes_a_run_in_a_folder_with_signs_of_its_own(run):
    """Sweeps give names such as ``0_a=b,c=d~5a64e68f``."""
    folder = run.rename(run.with_name("0_a=[b],c=d::e:f~5a64e68f"))
    assert read_config(folder).trainer.default_root_dir == str(folder)
    change(folder, {"callbacks.last.dirpath": "~/elsewhere"})
    with pytest.raises(UserError, match=r"callbacks\.last\.dirpath: '~/elsewhere', which lies outside"):
        read_config(folder)


def test_trust_covers_every_option_of_the_configuration():
    """No option of configs/ makes runs that their own user cannot read back."""
    refused = []
    for path in CONFIGS.rglob("*.yaml"):
        group = path.relative_to(CONFIGS).parts[0]
        place = () if group in ("data", "train.yaml", "callbacks", "experiment") else (group,)
        place = ("callbacks",) if group == "callbacks" else place
        content = {key: value for key, value in read_yaml(path).items() if key not in ("hydra", "limits")}
        refused += [found for found in targets(content, place) if not trust.is_allowed(*found)]
    assert refused == []


def test_public_names_that_are_no_targets_are_refused():
    """Of the public names only classes with a role pass, and only in its place."""
    assert not trust.is_allowed("polyhead.sources.Mixture", ("data",))
    assert not trust.is_allowed("polyhead.sources.FileSource", ("freeze",))
    assert not trust.is_allowed("polyhead.models.pool", ("model",))
    assert trust.is_allowed("polyhead.freezing.FreezeSpec.lower_layers", ("freeze",))


def test_texts_of_a_run_are_never_resolved(run, monkeypatch):
    monkeypatch.setenv("SECRET", "told")
    change(run, {"tasks.category": ["${oc.env:SECRET}", "\\${seed}", "${"], "monitor.metric": "${seed}"})
    config = read_config(run)
    assert list(config.tasks.category) == ["${oc.env:SECRET}", "\\${seed}", "${"]
    assert "told" not in OmegaConf.to_yaml(config, resolve=True)


def test_overrides_of_a_run_choose_no_file_and_are_kept_as_text(run, tmp_path, monkeypatch):
    """Provenance notes what was typed; an average composes nothing from it."""
    monkeypatch.setenv("SECRET", "told")
    evil = tmp_path / "evil.yaml"
    evil.write_text("# @package _global_\nfreeze: {_target_: os.system, command: x}\nsoup: {_target_: os.system}\n")
    overrides = [
        f"hydra.searchpath=[file://{tmp_path}]",
        f"+experiment=../../../../../../../..{evil.with_suffix('')}",
        "+soup=evil",
        "+hydra.job.env_set.EVIL=1",
        "+a=${oc.env:SECRET}",
    ]
    noted = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps({**noted, "overrides": overrides}))
    taken = []
    monkeypatch.setattr(
        "polyhead.app.training.train.run", lambda config, invocation: taken.append((config, invocation))
    )
    make_soup(run)
    ((config, invocation),) = taken
    assert config.freeze._target_ == "polyhead.freezing.FreezeSpec"
    assert config.soup._target_ == "polyhead.runs.Soup"
    assert [override for override in overrides if override in invocation.overrides] == overrides[:2] + overrides[3:]
