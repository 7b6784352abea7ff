"""Kept scan: what transformers finds in the files of its models is found again, and never something else."""

import json
import os
import subprocess
import sys
from types import ModuleType

import pytest
from support.commands import ROOT

from polyhead.app.terminal.kept_scan import FOLDER, keep_scan

FOUND = {"bert": {frozenset(): {"configuration_bert": {"BertConfig"}}, frozenset({"torch>=2", "vision"}): {"x": set()}}}
LOOK = """
import polyhead.commands
import transformers, transformers.models
from transformers import BertConfig
print(BertConfig.__module__, sorted(dir(transformers)), sorted(transformers.models._class_to_module.items()))
print(sorted(map(str, transformers._object_missing_backend.items())))
"""


class Installation:
    """A folder that looks as an installed transformers does, and a scan that counts how often it looks."""

    def __init__(self, folder):
        self.models = folder / "transformers" / "models"
        self.models.mkdir(parents=True)
        utilities = self.models.parent / "utils" / "import_utils.py"
        utilities.parent.mkdir()
        utilities.touch()
        self.module = ModuleType("transformers.utils.import_utils")
        self.module.__file__ = str(utilities)
        self.scans = 0

    def scan(self, folder):
        self.scans += 1
        return FOUND

    def look(self):
        return keep_scan(self.module, self.scan)(str(self.models))


@pytest.fixture
def installation(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "imports"))
    monkeypatch.setitem(sys.modules, "transformers", ModuleType("transformers"))
    sys.modules["transformers"].__version__ = "5.1.0"
    return Installation(tmp_path / "site-packages")


def kept_file(tmp_path):
    (path,) = (tmp_path / "imports").iterdir()
    return path


def test_scan_is_made_once_and_found_again(installation):
    assert [installation.look(), installation.look()] == [FOUND, FOUND]
    assert installation.scans == 1


def test_scan_of_another_folder_is_not_kept(installation):
    keep_scan(installation.module, installation.scan)(str(installation.models / "bert"))
    installation.look()
    assert installation.scans == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda it: setattr(sys.modules["transformers"], "__version__", "5.2.0"),
        lambda it: (it.models / "new_family").mkdir(),
        lambda it: os.utime(it.module.__file__, (1, 1)),
    ],
    ids=["version", "models", "utilities"],
)
def test_scan_is_made_again_after_an_installation(installation, change):
    installation.look()
    os.utime(installation.models, (2, 2))  # a folder made within the clock's tick would look the same
    installation.look()
    before = installation.scans
    change(installation)
    assert installation.look() == FOUND
    assert installation.scans == before + 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: "[]",
        lambda text: text.replace("BertConfig", "os.system"),
        lambda text: text.replace('"bert"', "7"),
        lambda text: json.dumps({**json.loads(text), "found": {"names": []}}),
    ],
    ids=["cut", "a list", "no name", "a number", "no mapping"],
)
def test_scan_is_made_again_where_what_is_kept_is_damaged(installation, tmp_path, damage):
    installation.look()
    path = kept_file(tmp_path)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert [installation.look(), installation.look()] == [FOUND, FOUND]
    assert installation.scans == 2


def test_scan_works_where_nothing_can_be_kept(installation, tmp_path):
    (tmp_path / "imports").write_text("a file")
    assert [installation.look(), installation.look()] == [FOUND, FOUND]
    assert installation.scans == 2


def test_scan_of_files_that_a_person_may_edit_is_not_kept(installation, tmp_path):
    checkout = Installation(tmp_path / "checkout")
    assert [checkout.look(), checkout.look()] == [FOUND, FOUND]
    assert checkout.scans == 2


def test_scan_is_not_kept_in_an_empty_folder_name(installation, monkeypatch):
    monkeypatch.setenv(FOLDER, "")
    installation.look()
    installation.look()
    assert installation.scans == 2


@pytest.mark.slow
def test_transformers_has_the_same_names_with_a_kept_scan(tmp_path):
    def look(**environment):
        done = subprocess.run(
            [sys.executable, "-c", LOOK],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": "0"} | environment,  # the order in a set of libraries
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    folder = {FOLDER: str(tmp_path / "imports")}
    first = look(**folder)
    assert "configuration_bert" in kept_file(tmp_path).read_text(encoding="utf-8")
    assert look(**folder) == first == look(**{FOLDER: ""})
