"""Several labels of a row from a column for each: in every format as from one cell; refused where a cell is none."""

import json

import pandas
import pytest

from polyhead.errors import UserError
from polyhead.sources import FileSource
from polyhead.sources.marks import marked_labels
from polyhead.tasks import make_tasks

SETTINGS = {
    "holdout": {"validation": 0.2, "test": 0.2},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
    "text": "text",
    "shifted": None,
    "encoding": "utf-8",
    "quote": "auto",
    "mixing": "proportional",
    "temperature": 2.0,
}
COLUMNS = {"tags": ["food", "travel", "work"]}
ROWS = [{"text": f"t{i}", "food": i % 2, "travel": i // 2 % 2, "work": 0} for i in range(40)]


def checked(folder, *files, tasks=None, columns=COLUMNS):
    given = {"train": [str(folder / name) for name in files], "validation": None, "test": None}
    made = FileSource(given, cache=str(folder / "cache"), columns=columns, **SETTINGS)
    found = make_tasks(tasks or {"tags": "multi_label"}, made.find_labels)
    made.check(found)
    return made, found


def write(path, rows=ROWS):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pandas.DataFrame(rows).to_parquet(path)
    else:
        pandas.DataFrame(rows).to_csv(path, index=False)
    return path.name


def labels_of(source):
    rows = [row for split in ("train", "validation", "test") for row in source.sentences(split)]
    return {row.text: row.labels.get("tags") for row in rows}


@pytest.mark.parametrize("name", ["marks.csv", "marks.jsonl", "marks.parquet"])
@pytest.mark.parametrize("kind", [int, bool, float])
def test_marks_are_the_labels_of_one_cell(tmp_path, name, kind):
    write(tmp_path / name, [row | {label: kind(row[label]) for label in COLUMNS["tags"]} for row in ROWS])
    source, (task,) = checked(tmp_path, name)
    assert task.labels == ("food", "travel", "work")  # what is marked nowhere included
    expected = {row["text"]: [row[label] for label in COLUMNS["tags"]] for row in ROWS}
    assert {text: task.index(cell) for text, cell in labels_of(source).items()} == expected


@pytest.mark.parametrize("name", ["marks.csv", "marks.jsonl", "marks.parquet"])
def test_marks_that_are_all_empty_are_no_label_and_some_are_0(tmp_path, name):
    rows = [*ROWS, {"text": "none", "food": None, "travel": None, "work": None}]
    rows += [{"text": "some", "food": None, "travel": 1, "work": None}]
    write(tmp_path / name, rows)
    source, (task,) = checked(tmp_path, name)
    found = labels_of(source)
    assert found["none"] is None
    assert task.index(found["some"]) == [0, 1, 0]


@pytest.mark.parametrize("name", ["marks.csv", "marks.jsonl", "marks.parquet"])
def test_mark_that_is_none_is_named_with_file_and_row(tmp_path, name):
    rows = [row | {label: str(row[label]) for label in COLUMNS["tags"]} for row in ROWS]
    rows[7]["travel"] = "maybe"
    write(tmp_path / name, rows)
    place = 9 if name.endswith(".csv") else 8
    with pytest.raises(
        UserError, match=f"{name} row {place}: travel is 'maybe'; it must be 1 or 0, true or false, or em"
    ):
        checked(tmp_path, name)


def test_marks_of_which_a_file_has_a_part_are_refused(tmp_path):
    write(tmp_path / "marks.csv")
    with pytest.raises(
        UserError, match=r"marks.csv: no column 'works' for tags, and 'food' is there; did you mean 'work'"
    ):
        checked(tmp_path, "marks.csv", columns={"tags": ["food", "travel", "works"]})


def test_marks_of_a_file_without_them_are_no_labels(tmp_path):
    write(tmp_path / "marks.csv")
    write(tmp_path / "bare.csv", [{"text": f"bare {i}"} for i in range(5)])
    source, _ = checked(tmp_path, "marks.csv", "bare.csv")
    assert {cell for text, cell in labels_of(source).items() if text.startswith("bare")} == {None}


@pytest.mark.parametrize(
    ("tasks", "columns", "message"),
    [
        (
            {"tags": None},
            COLUMNS,
            r"data.columns.tags: \['food', 'travel', 'work'\] given; two columns or more are for",
        ),
        ({"tags": "multi_label"}, {"tags": ["food"]}, r"data.columns.tags: \['food'\] given; two columns or more"),
        ({"tags": "number"}, COLUMNS, "tags: .* is no number"),
        ({"tags": "multi_label"}, {"tags": ["food", "food"]}, "the column 'food' is asked for twice"),
    ],
)
def test_marks_are_refused_where_they_mean_nothing(tmp_path, tasks, columns, message):
    write(tmp_path / "marks.csv")
    with pytest.raises(UserError, match=message):
        checked(tmp_path, "marks.csv", tasks=tasks, columns=columns)


@pytest.mark.parametrize("cell", ["2", 0.5, [1], "x"])
def test_mark_is_1_or_0_or_empty(cell):
    with pytest.raises(UserError, match="food is .*; it must be 1 or 0"):
        marked_labels({"food": cell, "travel": 1})
