"""The rules of the layout: who may import what."""

import ast
import sys

import pytest
from conftest import ROOT

PACKAGE = ROOT / "src" / "polyhead"

# In the order in which data flows: a module may import only those above it.
ORDER = [
    "errors",
    "hardware",
    "tasks",
    "mixing",
    "sentences",
    "corpus",
    "sources",
    "pooling",
    "batch",
    "batching",
    "loading",
    "tokenisation",
    "stores",
    "mapped",
    "tokens",
    "tokenised",
    "data",
    "dropout",
    "splitting",
    "encoder",
    "pretrained",
    "model",
    "parts",
    "freezing",
    "schedules",
    "adapters",
    "packing",
    "encoding",
    "texts",
    "embedder",
    "files",
    "features",
    "activations",
    "losses",
    "conflict",
    "weighting",
    "optimization",
    "timetable",
    "metrics",
    "calibration",
    "training",
    "callbacks",
    "checkpoints",
    "memory",
    "fitting",
    "dashboards",
    "runs",
    "soup",
    "summary",
    "report",
    "tuning",
    "bundle",
    "backends",
    "predict",
    "server",
    "app",
]
LIGHTNING = {
    "data",
    "training",
    "callbacks",
    "fitting",
    "dashboards",
    "tuning",
    "app",
}
TORCHLESS = {"errors", "tasks", "sentences", "corpus"}


def files():
    return sorted(PACKAGE.rglob("*.py"))


def unit(path):
    """Return which entry of ORDER a file belongs to; None for the package's own head."""
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return None if part == "__init__" else part


def imports(path):
    """Yield the dotted names a file imports, wherever in it that is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def imported_packages(path):
    return {name.split(".")[0] for name in imports(path)}


def test_every_module_has_its_place():
    assert {unit(path) for path in files()} - {None} == set(ORDER)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path):
    here = unit(path)
    if here is None:
        return
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("polyhead.")}
    above = set(ORDER[: ORDER.index(here)])
    assert ours <= above | {here}, f"{here} imports what comes after it: {ours - above}"
    packages = imported_packages(path)
    if here != "app":
        assert not packages & {"hydra", "omegaconf"}
    if here not in LIGHTNING:
        assert not packages & {"lightning", "pytorch_lightning"}
    if here in TORCHLESS:
        assert packages <= sys.stdlib_module_names | {"polyhead"}


def test_nothing_is_called_utils():
    assert [path for path in [*ROOT.glob("scripts/*"), *PACKAGE.rglob("*")] if "util" in path.stem] == []


def test_every_module_says_its_job_first():
    assert [path.name for path in files() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_code_files_have_one_job(path):
    words = path.parent.name == "corpus" and path.name != "__init__.py"  # vocabulary is as long as it is
    assert words or len(path.read_text(encoding="utf-8").splitlines()) <= 250


def test_tests_mirror_the_modules():
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    tested |= {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert set(ORDER) - tested - {"errors"} == set()


def test_nothing_is_loaded_with_pickle_and_no_remote_code_is_trusted():
    for path in [*files(), *ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "weights_only"):
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is (node.arg == "weights_only")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "trainer.fit"):
                assert "weights_only" in {keyword.arg for keyword in node.keywords}
            assert not (isinstance(node, ast.Attribute) and ast.unparse(node) in ("pickle.load", "pickle.loads"))
