"""The notebook runs from top to bottom, and what its text says is what it prints."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from support.commands import ROOT

TOUR = ROOT / "notebooks" / "tour.ipynb"


def test_it_is_kept_without_outputs():
    cells = [cell for cell in nbformat.read(TOUR, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.slow
def test_it_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(TOUR, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(Path(TOUR).parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}
    assert [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "nearest neighbour is the partner: 12 of 12" in printed
    assert float(re.search(r"alone and padded: (\S+)", printed)[1]) < 1e-5
    assert re.search(r"category: logits \(12, 6\)", printed)
    scores = {
        name: [float(score) for score in re.findall(r"macro-F1 ([0-9.]+),", line)]
        for name, line in re.findall(r"freeze ([a-z ]+): (.*)", printed)
    }
    assert list(scores) == ["backbone", "lower layers", "none"]
    assert all(category > 2 / 6 for category, _ in scores.values())  # twice what a guess gets
    assert "all that moved were to be trained: True" in printed
