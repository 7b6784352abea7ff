"""The README is true: its commands parse, its files exist, its file map is whole."""

import re
import shlex

import pytest
from hydra import compose, initialize_config_dir
from support.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^    python train\.py ?(.*?)(?: +#.*)?$", README, flags=re.MULTILINE)))
DESIGN = [
    "python train.py freeze=backbone trainer.accelerator=gpu",
    "python train.py -m freeze=none,backbone,lower_layers weighting=equal,uncertainty seed=0,1,2",
    "tensorboard --logdir runs",
    "make train",
    "make test",
]


@pytest.mark.parametrize("line", DESIGN)
def test_it_shows_the_lines_that_matter(line):
    assert f"    {line}" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_its_overrides_compose(command):
    overrides = [re.sub(r"=([^\[]*?),.*", r"=\1", word) for word in command.split() if word != "-m"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        assert compose("train", overrides=overrides).encoder.pooling in ("mean", "cls")


def commands_of(document):
    """Yield the overrides of each ``python train.py`` command, continued lines joined."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8").replace("\\\n", " ").replace("[the files above]", "")
    for line in re.findall(r"^    python train\.py (.*)$", text, flags=re.MULTILINE):
        yield shlex.split(line.replace("$DATA", "/data"))


@pytest.mark.parametrize("overrides", list(commands_of("data.md")))
def test_the_commands_of_the_documents_compose(overrides):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        assert compose("train", overrides=overrides).data.files.train or "freeze=backbone" in overrides


def test_its_file_map_is_whole():
    listed = set(re.findall(r"^\| `([^`=]+)` \|", README, flags=re.MULTILINE))
    package = {
        path for path in (ROOT / "src" / "polyhead").iterdir() if path.name not in ("__init__.py", "__pycache__")
    }
    there = {f"src/polyhead/{path.name}" + "/" * path.is_dir() for path in package}
    there |= {f"scripts/{path.name}" for path in (ROOT / "scripts").glob("*.py")} | {"train.py", "configs/", "tests/"}
    there |= {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert listed == there


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_its_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^    make ([a-z-]+)", README, flags=re.MULTILINE)) <= targets
