"""The package as it is imported: what that brings along, and what it offers."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import polyhead

HEAVY = {"torch", "numpy", "transformers", "lightning", "hydra", "omegaconf", "rich", "yaml", "pandas"}


def modules_after(*statements):
    code = "; ".join([*statements, "import sys", "print(*sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_import_brings_nothing_heavy():
    assert not modules_after("import polyhead") & HEAVY


@pytest.mark.slow
def test_predictor_brings_neither_hydra_nor_lightning():
    brought = modules_after("import polyhead", "polyhead.Predictor")
    assert not brought & {"hydra", "omegaconf", "lightning"}


def test_public_names_and_rooms_are_there():
    assert all(getattr(polyhead, name) for name in dir(polyhead))
    assert polyhead.freezing.FreezeSpec(["encoder"])
    assert polyhead.__version__ == version("polyhead")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = polyhead.no_such_name
