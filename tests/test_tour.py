"""The notebook runs from top to bottom, and what is stored of it is what it prints."""

import json
import re

import nbformat
import pytest
from nbclient import NotebookClient
from support.bundles import machine_paths
from support.commands import ROOT

TOUR = ROOT / "notebooks" / "tour.ipynb"
FEWER = {  # sentences: a third of what the notebook takes says the same
    '{"data.sizes.train": 540, "data.sizes.validation": 120, "data.sizes.test": 270}': (
        '{"data.sizes.train": 180, "data.sizes.validation": 60, "data.sizes.test": 90}'
    ),
    'HypotheticalCorpus({"train": 540},': 'HypotheticalCorpus({"train": 180},',
}


def outputs_of(notebook):
    """Return the outputs of all cells of code, without the empty displays that progress bars leave."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output for output in outputs if output.get("data", {}).get("text/plain") != ""]


def printed_by(notebook):
    """Return what all cells print."""
    return "".join(output.text for output in outputs_of(notebook) if output.output_type == "stream")


def assert_shows_what_it_says(notebook):
    outputs = outputs_of(notebook)
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}
    assert [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
    pictures = [output.data for output in outputs if output.output_type == "display_data"]
    assert [set(picture) for picture in pictures] == [{"image/png", "text/plain"}] * 3
    printed = printed_by(notebook)
    assert "nearest neighbour is the partner: 12 of 12" in printed
    assert float(re.search(r"alone and padded: (\S+)", printed)[1]) < 1e-5
    assert float(re.search(r"pooling by hand: (\S+)", printed)[1]) < 1e-5
    assert re.search(r"category: logits \(12, 6\)", printed)
    scores = {
        name: [float(score) for score in re.findall(r"macro-F1 ([0-9.]+)", line)]
        for name, line in re.findall(r"freeze (\w+): (.*)", printed)
    }
    assert list(scores) == ["backbone", "lower_layers", "none"]
    assert all(category > 2 / 6 for category, _ in scores.values())  # twice what a guess gets
    assert "all that moved were to be trained: True" in printed


def test_tour_is_stored_with_what_it_shows():
    notebook = nbformat.read(TOUR, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))  # executed once, from top to bottom
    assert_shows_what_it_says(notebook)


def test_tour_names_no_place_of_the_machine_that_executed_it():
    content = TOUR.read_bytes()
    assert [place for place in [*machine_paths(), b"/tmp/", b"file://"] if place in content] == []
    assert all(set(cell.metadata) == set() for cell in nbformat.read(TOUR, as_version=4).cells)


@pytest.mark.slow
def test_tour_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    text = TOUR.read_text(encoding="utf-8")
    for given, fewer in FEWER.items():
        old, new = (json.dumps(code)[1:-1] for code in (given, fewer))
        assert text.count(old) == 1
        text = text.replace(old, new)
    notebook = nbformat.reads(text, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert_shows_what_it_says(notebook)
