"""The project that ``polyhead init`` writes."""

import csv
import errno
import re
import shlex

import pytest

import polyhead
from polyhead.app.config.hydra_state import compose_run
from polyhead.app.terminal.command_names import COMMANDS
from polyhead.commands import init
from polyhead.commands.init import main, write_project
from polyhead.errors import UserError


def test_project_has_sample_sentences_options_and_a_readme(tmp_path):
    assert main([str(tmp_path / "new" / "project")]) == 0
    project = tmp_path / "new" / "project"
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert files == {"README.md", "train.csv", "test.csv", "configs/data/mine.yaml", "configs/experiment/mine.yaml"}
    with (project / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400
    assert all(row["text"] and row["category"] and row["sentiment"] for row in rows)


def test_project_is_written_into_an_empty_folder_alone(tmp_path):
    write_project(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UserError, match="holds files"):
        write_project(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    with pytest.raises(UserError, match="is a file"):
        write_project(tmp_path / "README.md")


def test_project_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def fill(folder):
        (folder / "train.csv").write_text("half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(init, "_write_samples", fill)
    with pytest.raises(UserError, match=r"^dir: .*project' cannot be written \(No space left on device\)"):
        write_project(tmp_path / "project")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="No space left on device"):
        write_project(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_project_keeps_the_empty_folder_that_it_is_written_into(tmp_path):
    """A shell may stand in it."""
    before = tmp_path.stat().st_ino
    write_project(tmp_path)
    assert tmp_path.stat().st_ino == before
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "configs", "train.csv", "test.csv"}


def test_commands_and_code_of_the_projects_readme_fit_what_is_there(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / "README.md").read_text()
    commands = [shlex.split(line) for line in re.findall(r"^    polyhead (.*)$", text, flags=re.MULTILINE)]
    assert {name for name, *_ in commands} <= {*COMMANDS}
    for name, *words in commands:
        if name == "train":
            assert words[:2] == ["--config-dir", "configs"]
            config, _ = compose_run(words[2:], [tmp_path / "configs"])
            assert config.data.files.test == "test.csv"
    code = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"polyhead\.(\w+)", *code):
        assert hasattr(polyhead, name)
