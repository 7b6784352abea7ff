"""The documents are true: their commands parse and compose, their links lead somewhere, their recipes run."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from functools import cache, partial
from importlib import import_module
from inspect import signature
from types import ModuleType

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from pyarrow import parquet
from support.bundles import make_bundle
from support.commands import NO_PICTURES, ROOT, TINY_ENCODER, run, script, sizes
from support.shards import write_shards

import polyhead
from polyhead.commands.init import write_project

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPOSED = {
    "train.py": "train",
    **{f"scripts/{name}.py": name for name in ("encode", "evaluate", "export", "label", "predict", "serve")},
}
OF_PROJECT = f"hydra.searchpath=[file://{ROOT / 'src' / 'polyhead' / 'commands' / 'project' / 'configs'}]"
REQUIRED_LINES = [
    "python train.py freeze=backbone trainer.accelerator=gpu",
    "python train.py -m freeze=none,backbone,lower_layers weighting=equal,uncertainty seed=0,1,2",
    "tensorboard --logdir runs",
    "make train",
    "make test",
]


def fill(text, variables):
    return re.sub(r"\$([A-Z]+)\b", lambda match: variables[match[1]], text)


def indented(page):
    """Return the text of a page, its fenced code indented as the rest; the recipes have a test of their own."""
    text = page.read_text(encoding="utf-8")
    if page.name == "CONTRIBUTING.md":
        return text
    fence = re.compile(r"^```(?:bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return fence.sub(lambda block: textwrap.indent(block[1], "    "), text)


def commands_of(page):
    """Yield (script, words) for each command of a page; continued lines are joined, the page's variables filled in."""
    variables = {"DATA": "/data"}
    for line in indented(page).replace("\\\n", " ").splitlines():
        if assignment := re.match(r"^    ([A-Z]+)=(.*)$", line):
            variables[assignment[1]] = fill(assignment[2].strip("\"'"), variables)
        elif command := re.match(r"^    (?:cat \S+ \| )?python (train\.py|scripts/\w+\.py) ?(.*)$", line):
            yield command[1], shlex.split(fill(command[2].split("|")[0], variables), comments=True)
        elif command := re.match(r"^    polyhead (\w+) ?(.*)$", line):
            name = "train.py" if command[1] == "train" else f"scripts/{command[1]}.py"
            yield name, shlex.split(command[2].replace("--config-dir configs", OF_PROJECT), comments=True)


def python_of(page):
    """Yield the Python of a page that speaks of polyhead, each block as one text."""
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", indented(page), flags=re.MULTILINE):
        code = textwrap.dedent(block).strip("\n")
        if re.search(r"\b(?:polyhead|run)\.\w|^import polyhead", code, re.MULTILINE) and not re.search(
            r"^(?:python|pip|polyhead|curl|make) ", code, re.MULTILINE
        ):
            yield code


COMMANDS = [(page, name, words) for page in PAGES for name, words in commands_of(page)]


def of(*scripts):
    found = [(name, words) for _, name, words in COMMANDS if name in scripts]
    assert found, scripts
    return pytest.mark.parametrize(
        ("name", "words"), found, ids=lambda value: value if isinstance(value, str) else None
    )


def first_of_each_sweep(words):
    """Return the overrides of one job of a multirun, and one for each further value of any of them."""
    values = []
    for word in words:
        key, _, value = word.partition("=")
        several = "," in value and not value.startswith(("[", "{"))
        values.append([f"{key}={one}" for one in value.split(",")] if several else [word])
    return [[options[min(job, len(options) - 1)] for options in values] for job in range(max(map(len, values)))]


def jobs(words):
    overrides = [word for word in words if not word.startswith("-")]
    if not overrides or not ("-m" in words or any(word.startswith("sweep=") for word in overrides)):
        return [overrides]
    return first_of_each_sweep(overrides)


def assert_composes(name, overrides):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        assert compose(name, overrides=overrides, return_hydra_config=True)


@pytest.mark.parametrize("line", REQUIRED_LINES)
def test_readme_shows_the_lines_that_matter(line):
    assert f"    {line}" in README


def test_readme_is_short():
    assert len(README.splitlines()) < 150


def test_pages_show_many_commands():
    assert len(COMMANDS) > 90


def composed_by(name, words):
    """Return the configuration that a command composes, and the overrides of each of its jobs."""
    if name in ("scripts/tune.py", "scripts/probe.py"):  # arguments of their own, and overrides of training
        own = ("trials=", "folder=", "space=", "seeds=", "storage=", "study=")
        return "train", [[word for word in words if not word.startswith(own)]]
    overrides = jobs(words)
    if name == "scripts/export.py" and "=" not in overrides[0][0]:
        overrides[0][0] = f"run={overrides[0][0]}"
    return COMPOSED[name], overrides


GROUPS = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}


def is_plain(override):
    """Return whether all that an override does is to change the value of a key, which must be there."""
    key, sign, value = override.partition("=")
    chooses = key in GROUPS or "/" in key or key.startswith(("+", "~", "hydra"))
    return bool(sign) and not chooses and not value.startswith("{")  # a mapping may add keys


def commands_by_choices():
    """Return the overrides of all commands by the configuration and by those overrides that are not plain."""
    commands = {}
    for _, name, words in COMMANDS:
        if name in {*COMPOSED, "scripts/tune.py", "scripts/probe.py"}:
            config, lists = composed_by(name, words)
            for overrides in lists:
                choices = tuple(word for word in overrides if not is_plain(word))
                commands.setdefault((config, choices), []).append(overrides)
    return commands


ALIKE = commands_by_choices()


@pytest.mark.slow
@pytest.mark.parametrize(("config", "choices"), ALIKE, ids=lambda value: value if isinstance(value, str) else None)
def test_commands_compose(config, choices):
    """Commands that differ by plain overrides alone are composed as one: each asks for its key, and adds none."""
    plain = [word for overrides in ALIKE[config, choices] for word in overrides if is_plain(word)]
    try:
        assert_composes(config, [*choices, *dict.fromkeys(plain)])
    except HydraException:  # a command is wrong, or two do not go together
        for overrides in ALIKE[config, choices]:
            assert_composes(config, overrides)


def test_commands_that_are_composed_as_one_are_all_there():
    composed = [name for _, name, _ in COMMANDS if name in {*COMPOSED, "scripts/tune.py", "scripts/probe.py"}]
    assert sum(map(len, ALIKE.values())) >= len(composed) > 150


@pytest.mark.slow
@of(
    *{name for _, name, _ in COMMANDS if (ROOT / name).exists()}
    - {*COMPOSED, "scripts/tune.py", "scripts/probe.py", "scripts/benchmark.py"}
)
def test_commands_use_keys_that_exist(name, words):
    for word in words:
        key, sign, _ = word.partition("=")
        assert not word.startswith("--")
        assert not sign or re.search(rf"^  {re.escape(key)}=", help_of(name), re.MULTILINE), f"{name} has no {word}"


@cache
def help_of(name):
    done = script(name.removeprefix("scripts/").removesuffix(".py"), "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


PYTHON = [(str(page.relative_to(ROOT)), code) for page in PAGES for code in python_of(page)]


def resolve(node, known):
    """Return what a dotted name stands for, or None where that is not known; a name that its owner lacks fails."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    owner = resolve(node.value, known)
    if not isinstance(owner, ModuleType | type) or (owner, node.attr) == (polyhead.Run, "folder"):  # set by __init__
        return None
    assert hasattr(owner, node.attr), ast.unparse(node)
    return getattr(owner, node.attr)


@pytest.mark.parametrize(("page", "code"), PYTHON, ids=[page for page, _ in PYTHON])
def test_python_of_the_pages_names_what_is_there(page, code):
    known = {"polyhead": polyhead, "run": polyhead.Run}
    makes = {polyhead.fit: polyhead.Run, polyhead.Run: polyhead.Run, polyhead.Predictor.load: polyhead.Predictor}
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("polyhead"):
            known |= {name.name: getattr(import_module(node.module), name.name) for name in node.names}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            known[ast.unparse(node.targets[0])] = makes.get(resolve(node.value.func, known))
    for node in ast.walk(tree):
        resolve(node, known)
        if isinstance(node, ast.Call) and resolve(node.func, known) is polyhead.fit:
            named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            signature(polyhead.fit).bind(*node.args, **named)


def test_pages_show_python():
    assert {page for page, _ in PYTHON} >= {"README.md", "docs/howto/python.md", "docs/start.md"}


@pytest.mark.slow
def test_python_of_the_start_page_runs_in_the_project_of_init(tmp_path, monkeypatch, capsys):
    write_project(tmp_path)
    rows = (tmp_path / "train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(rows[:100]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    words = [word.partition("=") for word in (*TINY_ENCODER, *NO_PICTURES)]
    tiny = {key: yaml.safe_load(value) if sign else None for key, sign, value in words}
    tiny["encoder.architecture.num_hidden_layers"] = 5  # lower_layers freezes four
    fit = partial(polyhead.fit, options=tiny, epochs=1, heads="trained", accelerator="cpu", quiet=True)
    monkeypatch.setattr(polyhead, "fit", fit, raising=False)
    blocks = [code for page, code in PYTHON if page == "docs/start.md"]
    assert len(blocks) == 2
    for code in blocks:
        exec(compile(code, "docs/start.md", "exec"), {})
    assert "category" in capsys.readouterr().out


@of("scripts/benchmark.py")
def test_benchmark_commands_parse(name, words, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks.settings import parse

    there = [re.sub(r"^data=(?!hypothetical).*", f"data={tmp_path}", word) for word in words]
    there = [re.sub(r"^against=.*", f"against={ROOT}", word) for word in there]
    names, _ = parse(there)
    assert names


def slugs_of(text):
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if target.startswith("http"):
            continue
        path = page.parent / target if target else page
        assert path.exists(), link
        assert not anchor or anchor in slugs_of(path.read_text(encoding="utf-8")), link
    for path in re.findall(r"`((?:tests|configs|scripts|src)/[\w/.]+\.(?:py|yaml))`", text):
        example = f"# {path}\n" in text  # a file that a recipe adds
        assert example or (ROOT / path).exists(), path


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^    make ([a-z-]+)", README, flags=re.MULTILINE)) <= targets


def first_sentence(name):
    """Return what a room says of itself first."""
    path = ROOT / "src" / "polyhead" / name
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path).read_text(encoding="utf-8"))
    return " ".join(ast.get_docstring(tree).split()).partition(". ")[0].removesuffix(".")


def test_readme_map_and_tour_say_what_the_rooms_say():
    rows = dict(re.findall(r"^\| `([\w.]+)/?` \| (.*) \|$", README, flags=re.MULTILINE))
    tour = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    assert len(rows) == 15
    for name, purpose in rows.items():
        assert purpose == first_sentence(name)
        assert f"- `{name}{'' if name.endswith('.py') else '/'}`: {purpose}" in tour


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^### ", CONTRIBUTING, flags=re.MULTILINE)
RECIPES = {section.partition("\n")[0]: section for section in SECTIONS if "```bash" in section}


def test_there_is_a_recipe_for_each_thing_one_adds():
    assert [*RECIPES] == [
        "A weighting",
        "A freezing strategy",
        "An encoder family",
        "A loss",
        "A source",
        "A kind of task",
    ]


def changed(text, diff):
    """Return a text after a diff, each of whose parts between blank lines has lines that follow each other."""
    for part in diff.strip("\n").split("\n\n"):
        lines = part.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what runs, for recipes to add to: one for all, so that its imports are made once."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("src", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_takes_at_most_three_edits_and_its_command_runs(tmp_path, checkout, recipe):
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", RECIPES[recipe], flags=re.MULTILINE | re.DOTALL)
    files = [body.split("\n", 1) for language, body in blocks if language in ("python", "yaml")]
    changes = [body.split("\n", 1) for language, body in blocks if language == "diff"]
    assert 1 <= len(files) + len(changes) <= 3
    paths = [checkout / head.removeprefix("# ") for head, _ in files]
    assert not any(path.exists() for path in paths)
    before = {path: path.read_text(encoding="utf-8") for path in (checkout / head[2:] for head, _ in changes)}
    (command,) = (body for language, body in blocks if language == "bash")
    python, script, *words = shlex.split(command.replace("\\\n", " "))
    assert (python, script) == ("python", "train.py")
    try:
        for path, (_, content) in zip(paths, files, strict=True):
            path.write_text(content, encoding="utf-8")
        for (path, text), (_, change) in zip(before.items(), changes, strict=True):
            path.write_text(changed(text, change), encoding="utf-8")
        fresh = {"PYTHONPATH": str(checkout / "src")} if changes else {}  # what changes is imported already
        quiet = [] if changes else NO_PICTURES  # what the six of them would draw is the same but for a kind of task
        done = run(checkout / script, *words, *quiet, *sizes(64, 32), cwd=tmp_path, **fresh)
    finally:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")
        for path in paths:
            path.unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list(tmp_path.glob("runs/*/metrics.json"))) == 1


SPARK = """
import sys, warnings
from pyspark.sql import SparkSession

settings = {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
exec(sys.stdin.read())
spark.stop()
"""


@pytest.mark.slow
def test_spark_block_of_the_scale_page_gives_what_predict_gives(tmp_path, model, tasks):
    pytest.importorskip("pyspark", reason="PySpark, which needs Java, is no dependency")
    bundle = make_bundle(tmp_path / "bundle", model, tasks)
    write_shards(tmp_path / "reviews", [20, 30])
    done = script("predict", f"model={bundle}", "input=reviews", "output=expected", "precision=32-true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "scale.md").read_text(), re.DOTALL)
    code = code.replace('"/models/bundle"', f'"{bundle}", precision="32-true"')
    spark = subprocess.run(
        [sys.executable, "-c", SPARK],
        input=code,
        cwd=tmp_path,
        env=os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert spark.returncode == 0, spark.stderr[-2000:]
    columns = ["text", "predicted_sentiment", "predicted_sentiment_probability"]
    expected, found = (
        parquet.read_table(tmp_path / folder, columns=columns).sort_by("text").to_pylist()
        for folder in ("expected", "predicted")
    )
    assert found == expected
