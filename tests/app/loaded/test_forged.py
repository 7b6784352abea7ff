"""Forged files of a run: one line each, at once, from every command that reads them."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.commands import ROOT, script

from polyhead.app.config.run_config import read_config
from polyhead.app.loaded.trained import load_trained_run
from polyhead.app.terminal.sweeps import finished_twin
from polyhead.app.training import reproduce, soup
from polyhead.errors import UserError
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.runs.old_names import upgrade
from polyhead.runs.predictions import Predictions
from polyhead.runs.record import read, read_all
from polyhead.runs.status import DONE, FAILED
from polyhead.storage.documents import read_yaml

CONFIGS = ROOT / "configs"
MADE = ROOT / "tests" / "made_by" / "0.1.0"
DEEP = "[" * 100_000 + "]" * 100_000
ALIASES = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.fixture
def run(tmp_path):
    """Copy a finished run, its files under the names of today."""
    shutil.copytree(MADE / "full", tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    metrics, provenance = RunMetrics.read(folder), Provenance.read(folder)
    metrics.write(folder)
    provenance.write(folder)
    config = upgrade(yaml.safe_load((folder.folder / "config.yaml").read_text()))
    config["encoder"]["location"] = str(MADE / "encoder")
    (folder.folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder.folder


def edit(path, key, value):
    """Put a value under a dotted key of a JSON file; None for the key is the whole."""
    content = json.loads(path.read_text())
    *sections, leaf = key.split(".")
    node = content
    for section in sections:
        node = node[section]
    node[leaf] = value
    path.write_text(json.dumps(content))


METRICS_TEXTS = ["", "[]", "{}", "null", "5", '"text"', "{", DEEP, '{"a": ' * 50_000, '{"format": 2}', '{"format": 1}']
METRICS = [
    ("validation", []),
    ("validation", "category"),
    ("validation", {"category": []}),
    ("validation", {"category": {}}),
    ("validation.category.temperature", float("nan")),
    ("validation.category.temperature", float("inf")),
    ("validation.category.temperature", True),
    ("validation.category.temperature", 0),
    ("validation.category.temperature", -1.5),
    ("validation.category.temperature", "1.5"),
    ("validation.category.temperature", None),
    ("validation.category.accuracy", 10**400),
    ("validation.category.f1", [0.5]),
    ("validation.category.confusion", 5),
    ("validation.category.confusion", [["a"]]),
    ("validation.category.reliability", {"before": {"rows": "many"}}),
    ("test", None),
    ("test.sentiment.macro_f1", "high"),
    ("extra_test_sets", {"news": 1}),
    ("monitor", {}),
    ("monitor.value", "x"),
    ("monitor.metric", None),
    ("epochs", 1.5),
    ("epochs", True),
    ("best_epoch", "last"),
    ("parameters", {"trainable": 1}),
    ("parameters.total", float("nan")),
    ("seconds", 5),
    ("peak_megabytes", [1]),
    ("conflict", {"a-b": 1}),
    ("activation_cache", {"reused": "x"}),
    ("health", {"agreement": "x"}),
    ("precision", 16),
    ("soup", "runs/a"),
    ("soup", [1]),
]
PROVENANCE = [
    ("overrides", "seed=1"),
    ("overrides", [1]),
    ("overrides", {"a": 1}),
    ("choices", ["freeze"]),
    ("seed", "0"),
    ("seed", float("nan")),
    ("data", ["x"]),
    ("data", {"test": 1}),
    ("versions", {"torch": None}),
    ("git", "commit"),
]
YAML = [
    ALIASES,
    "[" * 300_000,
    "{a: " * 100_000,
    "- " * 300_000,
    "a: [" + "1, " * 300_000 + "1]",
    "a: " + "1:" * 500_000 + "1",
    "a: !!python/object/apply:os.system [true]",
    "\x00",
    "# \n" * 1_400_000,
    "",
    "5",
    "[]",
    "run_dir: [1]",
]
SECTIONS = [
    ("encoder", []),
    ("freeze", None),
    ("tasks", 5),
    ("tasks", {"category": "abc"}),
    ("tasks", {"category": [1.5, 2]}),
    ("tasks", {"category": ["a"]}),
    ("run_dir", 5),
    ("model", "x"),
    ("data", "x"),
    ("encoder.max_length", 10**9),
    ("encoder.pooling", ["sum"]),
    ("encoder.pooling", {"mean": 1}),
    ("encoder.prompt", ["a"]),
    ("encoder.location", 5),
    ("encoder.pretrained", "no"),
    ("model.dropout", "a"),
]


def refused(run, *readers):
    """Check that readers refuse a run in one line each, within some seconds; reports and soups leave it out."""
    for reader in readers:
        started = time.monotonic()
        with pytest.raises(UserError) as error:
            reader(run)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 1_000
        assert time.monotonic() - started < 60  # and not for ever


def again(run):
    reproduce.run(CONFIGS, run, run.with_name("again"))


def averaged(run):
    shutil.copytree(run, run.with_name("run-2"), dirs_exist_ok=True)
    soup.run(CONFIGS, [run, run.with_name("run-2")], run.with_name("soup"), "uniform")


@pytest.mark.parametrize("text", METRICS_TEXTS, ids=lambda text: text[:15])
def test_metrics_that_are_none_are_refused(run, text):
    (run / "metrics.json").write_text(text)
    refused(run, load_trained_run, again, averaged)
    assert read(run).status == FAILED


@pytest.mark.parametrize(("key", "value"), METRICS)
def test_metrics_of_other_types_are_refused_by_name(run, key, value):
    edit(run / "metrics.json", key, value)
    refused(run, load_trained_run, again, averaged)
    assert read(run).status == FAILED


@pytest.mark.parametrize(("key", "value"), PROVENANCE)
def test_provenance_of_other_types_is_refused_by_name(run, key, value):
    edit(run / "provenance.json", key, value)
    refused(run, again, averaged)
    assert read(run).status == FAILED


@pytest.mark.slow
@pytest.mark.parametrize("text", YAML, ids=lambda text: text[:15])
def test_configurations_that_explode_are_refused(run, text):
    (run / "config.yaml").write_text(text)
    refused(run, read_config, load_trained_run, again, averaged)
    started = time.monotonic()
    assert not read_all([run])[0].config.get("seed")
    assert finished_twin(RunFolder(run.with_name("other")), "a: 1", changed=lambda _: []) is None
    assert time.monotonic() - started < 60  # and not for ever


@pytest.mark.parametrize(("key", "value"), SECTIONS)
def test_configurations_of_other_types_are_refused(run, key, value):
    config = read_yaml(run / "config.yaml")
    *sections, leaf = key.split(".")
    node = config[sections[0]] if sections else config
    node[leaf] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError) as error:
        load_trained_run(run)
    assert len(str(error.value)) < 1_000


def test_run_is_read_where_nothing_was_forged(run):
    assert load_trained_run(run).tasks
    assert read(run).status == DONE


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), dtype=np.int16),
        np.zeros(3, dtype=np.int16),
        np.zeros(2),
        np.array([None, None]),
        np.array(["a", "b"]),
    ],
)
def test_predictions_that_are_no_classes_are_refused(tmp_path, array):
    label = np.zeros(2, dtype=np.int16)
    np.savez(tmp_path / "predictions.npz", **{"test/a/label": label, "test/a/predicted": array})
    with pytest.raises(UserError) as error:
        Predictions.read(RunFolder(tmp_path))
    assert "\n" not in str(error.value)


def test_predictions_that_unpack_to_gigabytes_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("polyhead.runs.folder._LARGEST_ARRAYS", 1_000_000)
    np.savez_compressed(tmp_path / "predictions.npz", a=np.zeros(10**6, dtype=np.int16))
    assert (tmp_path / "predictions.npz").stat().st_size < 10_000
    with pytest.raises(UserError, match="2,000,128 bytes"):
        Predictions.read(RunFolder(tmp_path))


def test_predictions_that_claim_terabytes_are_refused(tmp_path):
    header = "{'descr': '<i2', 'fortran_order': False, 'shape': (4398046511104,), }".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\x00" * 16
    write_zip(tmp_path / "predictions.npz", {"test/a/label.npy": array})
    with pytest.raises(UserError, match="cannot be read"):
        Predictions.read(RunFolder(tmp_path))


def write_zip(path: Path, entries):
    from zipfile import ZipFile

    with ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


@pytest.mark.slow
def test_scripts_refuse_yaml_that_explodes_in_one_line(run, tmp_path):
    (run / "config.yaml").write_text(ALIASES)
    for name, arguments in {"export": [], "reproduce": [], "soup": [str(run)]}.items():
        done = script(name, str(run), *arguments, cwd=tmp_path)
        assert done.returncode == 2, name
        assert done.stderr.count("\n") == 1, done.stderr
