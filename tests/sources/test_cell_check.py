"""Cells of other kinds than single labels: every format gives the same, and what is none is said in a line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.errors import UserError
from polyhead.sources import FileSource
from polyhead.tasks import make_tasks

FILES = {
    "shifted": None,
    "text": "text",
    "columns": None,
    "encoding": "utf-8",
    "quote": '"',
    "mixing": "proportional",
    "temperature": 2.0,
    "holdout": {"validation": 0.2, "test": 0.2},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
}
ROWS = [
    {
        "text": f"sentence {i}",
        "stars": None if i % 9 == 0 else i / 8,
        "tags": None if i % 7 == 0 else [tag for tag in ("a", "b", "c") if (i + ord(tag)) % 3],
    }
    for i in range(60)
]
KINDS = [{"stars": "number"}, {"tags": "multi_label"}]


def write(folder, name, rows=ROWS):
    path = folder / name
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        cells = [[r["text"], "" if r["stars"] is None else str(r["stars"]), cell(r["tags"])] for r in rows]
        path.write_text("text,stars,tags\n" + "".join(",".join(row) + "\n" for row in cells))
    return path


def cell(tags):
    return "" if tags is None else ";".join(tags) or "[]"


def ready(folder, path, kinds=KINDS):
    source = FileSource({"train": str(path), "validation": None, "test": None}, cache=str(folder / "cache"), **FILES)
    tasks = make_tasks(kinds, source.find_labels)
    source.check(tasks)
    return source, tasks


def read(source, tasks, split):
    return [(s.text, *(task.index(s.labels.get(task.name)) for task in tasks)) for s in source.sentences(split)]


def test_csv_json_and_parquet_give_the_same_targets_and_splits(tmp_path):
    found = []
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        source, tasks = ready(tmp_path, write(tmp_path, name))
        assert tasks[1].labels == ("a", "b", "c")
        found.append({split: repr(read(source, tasks, split)) for split in ("train", "validation", "test")})
    assert found[0] == found[1] == found[2]
    everything = [row for split in ("train", "validation", "test") for row in read(source, tasks, split)]
    assert len(everything) == len(ROWS)
    expected = {row["text"]: row["stars"] for row in ROWS if row["stars"] is not None}
    assert {text: stars for text, stars, _ in everything if stars == stars} == expected


def test_numbers_and_labels_are_held_out_evenly(tmp_path):
    source, tasks = ready(tmp_path, write(tmp_path, "a.csv"))
    held = read(source, tasks, "validation")
    assert len(held) == pytest.approx(len(ROWS) / 5, abs=2)
    thirds = [sum(low <= stars < low + 2.5 for _, stars, _ in held) for low in (0, 2.5, 5)]
    assert min(thirds) >= 2
    assert all(sum(tags[label] == 1 for _, _, tags in held) >= 2 for label in range(3))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ([{"text2": "number"}], "tasks.text2: no train sentence has a label"),
        ([{"tags": "number"}], r"a.jsonl rows? .*: tags: '\[.*\]' is no number"),
        ([{"tags": {"kind": "multi_label", "labels": ["a", "b"]}}], "a.jsonl rows? .*: tags: unknown label 'c'"),
        (["stars"], "a.jsonl row 2: stars is 0.125; a label must be text or a whole number; for numbers"),
        (
            ["tags"],
            r"a.jsonl row 2: tags is \[.*\]; a label must be .*; for lists of labels set its kind to multi_label",
        ),
    ],
)
def test_cells_that_are_none_for_the_kind_are_named(tmp_path, kinds, message):
    with pytest.raises(UserError, match=message):
        ready(tmp_path, write(tmp_path, "a.jsonl"), kinds)


def test_parquet_column_of_lists_asks_for_its_kind(tmp_path):
    with pytest.raises(UserError, match="the column 'tags' holds .*for lists of labels set its kind to multi_label"):
        ready(tmp_path, write(tmp_path, "a.parquet"), ["tags"])


def test_column_of_many_numbers_stays_classes_and_is_told(tmp_path, caplog):
    rows = [row | {"stars": i % 30 / 8} for i, row in enumerate(ROWS)]
    _, tasks = ready(tmp_path, write(tmp_path, "a.csv", rows), ["stars"])
    assert len(tasks[0].labels) == 30
    assert "set its kind, as in 'tasks=[{stars: number}]'" in caplog.text
