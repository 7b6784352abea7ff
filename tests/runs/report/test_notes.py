"""Runs that cannot be compared in everything are compared as far as can be, and the rest is said."""

import json

import numpy as np
import pytest
import yaml
from support import run_folders
from support.run_folders import compared, make_run

from polyhead.runs.report.files import write


def with_other_sentences(folder, monkeypatch, rows=200, truth_seed=7, **settings):
    made = run_folders.make_predictions
    monkeypatch.setattr(
        run_folders, "make_predictions", lambda seed, errors: made(seed, errors, rows=rows, truth_seed=truth_seed)
    )
    make_run(folder, **settings)
    monkeypatch.undo()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    data = {"seed": truth_seed, "sizes": {"test": rows}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"data": data}))


def written(folder, comparison):
    """Return the notes as the page, the table and the JSON have them, each on one line."""
    table = write(comparison, {}, folder / "out")
    page = (folder / "out.html").read_text().replace("&#39;", "'")
    content = json.loads((folder / "out.json").read_text())
    return " ".join(page.split()), " ".join(table.split()), content


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "truth_seed"), [(200, 7), (240, 99)])
def test_runs_with_unlike_sentences_stand_side_by_side(tmp_path, monkeypatch, rows, truth_seed):
    make_run(tmp_path / "a", errors=0.1)
    with_other_sentences(tmp_path / "b", monkeypatch, rows, truth_seed, errors=0.3)
    comparison = compared(tmp_path)
    (note,) = comparison.notes
    assert note.startswith("#2 and #1 were tested on unlike sentences or labels of test: ")
    page, table, content = written(tmp_path, comparison)
    assert note in page
    assert note in table
    assert content["notes"] == [note]
    assert [row["test"]["test"]["mean"]["count"] for row in content["conditions"]] == [1, 1]


def test_runs_with_the_same_sentences_have_no_note(tmp_path):
    for name, seed in (("none", 0), ("none", 1), ("backbone", 0)):
        make_run(tmp_path / f"{name}{seed}", seed, freeze=name)
    assert compared(tmp_path).notes == []


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"{a: [", b"[]", b"5", b"", b"a: &a {b: *a}", b"\xff\xfe\x00"])
def test_run_with_a_damaged_configuration_is_a_condition_of_its_own(tmp_path, content):
    for name in ("a", "b", "c"):
        make_run(tmp_path / name)
    for name in ("b", "c"):
        (tmp_path / name / "config.yaml").write_bytes(content)
    comparison = compared(tmp_path)
    assert [dict(row.condition.values) for row in comparison.rows] == [
        {"configuration": "known"},
        {"configuration": "unknown (b)"},
        {"configuration": "unknown (c)"},
    ]
    unread = f"config.yaml is not there, or cannot be read, in {tmp_path / 'b'}, {tmp_path / 'c'}: its choices"
    page, table, content = written(tmp_path, comparison)
    assert content["notes"][0].startswith(unread)
    assert "#2 has no seed in common with #1" in table
    assert content["notes"][0] in page


def damaged_predictions():
    column = np.zeros(200, dtype=np.int16)
    yield {"test/category/label": column, "test/category/predicted": column[:10]}
    yield {"test/category/label": column.astype(str), "test/category/predicted": column.astype(str)}
    yield {"test/category/label": column.reshape(20, 10), "test/category/predicted": column.reshape(20, 10)}
    yield {}


@pytest.mark.slow
def test_run_with_damaged_predictions_is_compared_by_its_scores(tmp_path):
    make_run(tmp_path / "a", errors=0.1)
    make_run(tmp_path / "b", errors=0.3, freeze="backbone")
    path = tmp_path / "b" / "predictions.npz"
    whole = path.read_bytes()
    for content in [b"", whole[:300], *damaged_predictions()]:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.savez_compressed(path, **content)
        comparison = compared(tmp_path)
        assert [note.partition(":")[0] for note in comparison.notes] == [
            f"predictions.npz is not there, or cannot be read, in {tmp_path / 'b'}"
        ]
        written(tmp_path, comparison)


def test_notes_name_a_few_runs_and_count_the_rest(tmp_path):
    for number in range(8):
        make_run(tmp_path / str(number), seed=number, predictions=False)
    (note,) = compared(tmp_path).notes
    assert note.count(str(tmp_path)) == 5
    assert " and 3 more: " in note
