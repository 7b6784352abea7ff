"""The rules of the layout: which rooms there are, who may import whom, and what every room says of itself."""

import ast
from functools import cache
from importlib import import_module

import pytest
from support.commands import ROOT

PACKAGE = ROOT / "src" / "polyhead"
TESTS = ROOT / "tests"

# In the order in which data flows: a room may import only those above it.
ROOMS = [
    "errors",
    "processes",
    "tasks",
    "hardware",
    "storage",
    "sources",
    "data",
    "models",
    "inference",
    "freezing",
    "objectives",
    "training",
    "runs",
    "deployment",
    "app",
    "commands",
]
APP = ["config", "terminal", "loaded", "training", "jobs", "api"]  # the same among the folders of the app
HYDRA = {"app", "commands"}
LIGHTNING = {"data", "training", "runs/tuning.py", "app"}
TORCHLESS = {"errors", "processes", "sources"}
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def python_files(folder):
    return sorted(folder.rglob("*.py"))


MODULES = python_files(PACKAGE)


def relative(path):
    return str(path.relative_to(PACKAGE))


def room_of(path):
    """Return the room that a file of the package stands in; None for the package's own ``__init__``."""
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return None if part == "__init__" else part


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def summary(path):
    """Return the docstring of a file, and the dotted modules that it imports, wherever in the file that is.

    Of a package, the modules in it count as well. The tree is not kept: hundreds make each collection of garbage slow.
    """
    tree, imported = parsed(path), []
    for node in statements(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return ast.get_docstring(tree), imported


def statements(node):
    """Yield the statements below a node, at any depth; to look into expressions as well takes ten times as long."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for below in getattr(node, field, ()):
            yield below
            yield from statements(below)


def imported_modules(path):
    return summary(path)[1]


def test_statements_are_found_wherever_they_stand():
    code = """
import a
with b:
    def f():
        if b:
            import c
        elif d:
            import e
        else:
            import g
        try:
            import h
        except i:
            import j
        else:
            import k
        finally:
            import l
class m:
    async def n():
        for o in p:
            import q
        match r:
            case s:
                import t
"""
    found = [node.names[0].name for node in statements(ast.parse(code)) if isinstance(node, ast.Import)]
    assert sorted(found) == [*"aceghjklqt"]


def imported_packages(path):
    return {name.split(".")[0] for name in imported_modules(path)}


def module_name(path):
    return ".".join(["polyhead", *path.relative_to(PACKAGE).with_suffix("").parts])


def find_cycle(graph):
    """Return the nodes of a cycle in ``{node: nodes it points to}``, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return None
        path.append(node)
        found = next(filter(None, map(visit, sorted(graph[node]))), None)
        path.pop()
        done.add(node)
        return found

    return next(filter(None, map(visit, sorted(graph))), None)


def test_find_cycle_sees_a_cycle_and_only_a_cycle():
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def test_rooms_are_the_thirteen_folders_and_three_modules():
    entries = {path.name for path in PACKAGE.iterdir()} - {"__init__.py", "__pycache__", "py.typed"}
    modules = {"errors", "hardware", "processes"}
    assert entries == {f"{name}.py" if name in modules else name for name in ROOMS}


def imports_from_below(path):
    """Return the rooms below that of a file, and imported by it."""
    here = room_of(path)
    if here is None:
        return set()
    ours = {name.split(".")[1] for name in imported_modules(path) if name.startswith("polyhead.")} - {"lazy_exports"}
    return ours - set(ROOMS[: ROOMS.index(here) + 1])


def test_imports_follow_the_order_of_the_rooms():
    below = {relative(path): imports_from_below(path) for path in MODULES}
    assert {path: rooms for path, rooms in below.items() if rooms} == {}


def test_imports_follow_the_order_of_the_folders_of_the_app():
    assert {path.name for path in (PACKAGE / "app").iterdir()} - {"__init__.py", "__pycache__"} == set(APP)
    for number, folder in enumerate(APP):
        for path in python_files(PACKAGE / "app" / folder):
            ours = {name.split(".")[2] for name in imported_modules(path) if name.startswith("polyhead.app.")}
            assert ours <= set(APP[: number + 1]), f"app/{folder} imports what stands below it: {relative(path)}"


def forbidden_libraries(path):
    """Return the heavy libraries that do not belong into the room of a file."""
    here = room_of(path)
    hydra = set() if here in HYDRA else {"hydra", "omegaconf"}
    lightning = set() if {here, relative(path)} & LIGHTNING else {"lightning", "pytorch_lightning"}
    torch = {"torch", "transformers", "torchmetrics"} if here in TORCHLESS else set()
    return hydra | lightning | torch


def test_heavy_libraries_are_imported_where_they_belong():
    found = {relative(path): imported_packages(path) & forbidden_libraries(path) for path in MODULES}
    assert {path: libraries for path, libraries in found.items() if libraries} == {}


@pytest.mark.parametrize("folder", [PACKAGE, ROOT / "scripts"], ids=["polyhead", "scripts"])
def test_modules_import_each_other_without_a_cycle(folder):
    def name(path):
        parts = path.relative_to(folder).with_suffix("").parts
        return ".".join(["polyhead", *parts] if folder == PACKAGE else parts)

    graph = {name(path): set(imported_modules(path)) for path in python_files(folder) if path.name != "__init__.py"}
    graph = {module: (imports & graph.keys()) - {module} for module, imports in graph.items()}
    assert find_cycle(graph) is None


@pytest.mark.parametrize("folder", FOLDERS, ids=relative)
def test_folders_have_one_paragraph_and_public_names_that_exist(folder):
    docstring, _ = summary(folder / "__init__.py")
    assert docstring
    assert "\n\n" not in docstring
    package = import_module(module_name(folder / "__init__.py").removesuffix(".__init__"))
    assert package.__all__ == sorted(
        package.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_folders_refuse_a_name_that_they_do_not_have():
    with pytest.raises(AttributeError, match="polyhead.training.*no_such_name"):
        _ = import_module("polyhead.training").no_such_name


def test_nothing_is_called_utils():
    assert [path for path in [*ROOT.glob("scripts/*"), *PACKAGE.rglob("*")] if "util" in path.stem] == []


def test_modules_say_their_job_first_and_have_one():
    assert [relative(path) for path in MODULES if not summary(path)[0]] == []
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > 250} == {}


def test_tests_mirror_the_package():
    tested = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    folders = {path.relative_to(PACKAGE) for path in FOLDERS if len([*path.glob("*.py")]) > 1}
    for path in tested:
        assert path.parent in folders or str(path.parent) in (".", "scripts"), f"{path} mirrors no folder"
    assert {path.parent for path in tested} >= folders


def test_test_modules_do_not_import_each_other():
    imports = [(str(path.relative_to(TESTS)), name) for path in python_files(TESTS) for name in imported_modules(path)]
    assert [(path, name) for path, name in imports if name.split(".")[-1].startswith(("test_", "conftest"))] == []


def dotted(node):
    """Return ``a.b`` for an attribute of a name, None for any other node."""
    plain = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return f"{node.value.id}.{node.attr}" if plain else None


def test_nothing_is_loaded_with_pickle_and_no_remote_code_is_trusted():
    for path in [*MODULES, *ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "weights_only"):
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is (node.arg == "weights_only")
            if isinstance(node, ast.Call) and dotted(node.func) in ("torch.load", "trainer.fit"):
                assert "weights_only" in {keyword.arg for keyword in node.keywords}
            assert dotted(node) not in ("pickle.load", "pickle.loads")
