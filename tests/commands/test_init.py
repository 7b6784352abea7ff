"""The project that ``polyhead init`` writes."""

import csv

import pytest

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
