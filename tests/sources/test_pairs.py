"""Rows with a second text, from files: read, checked, held out together, and told where something is missing."""

import json
import logging
from hashlib import sha512

import pandas
import pytest

from polyhead.errors import UserError
from polyhead.sources import FileSource
from polyhead.sources.base import second_text
from polyhead.sources.later import LaterFiles
from polyhead.sources.table_cache import TableCache
from polyhead.storage.dialect import Dialect
from polyhead.tasks import make_tasks

SETTINGS = {
    "holdout": {"validation": 0.2, "test": 0.2},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 2,
    "text": "one",
    "columns": None,
    "shifted": None,
    "encoding": "utf-8",
    "quote": "auto",
    "mixing": "proportional",
    "temperature": 2.0,
}
ROWS = [
    {"one": f"a {i // 2}", "other": f"b {i}" if i % 4 else None, "score": i % 4 or None, "tone": ("dry", "warm")[i % 2]}
    for i in range(80)
]
TASKS = {"tone": None, "sts": "similarity"}


def source(folder, *files, pair="other", **settings):
    given = {"train": [str(folder / name) for name in files], "validation": None, "test": None}
    settings = SETTINGS | {"columns": {"sts": "score"}} | settings
    return FileSource(given, cache=str(folder / "cache"), pair=pair, **settings)


def checked(folder, *files, tasks=TASKS, **settings):
    made = source(folder, *files, **settings)
    made.check(make_tasks(tasks, made.find_labels))
    return made


def write(path, rows=ROWS):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pandas.DataFrame(rows).to_parquet(path)
    else:
        pandas.DataFrame(rows).to_csv(path, index=False)


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl", "pairs.parquet"])
def test_rows_have_a_second_text_where_the_column_has_one(tmp_path, name):
    write(tmp_path / name)
    found = checked(tmp_path, name)
    rows = [row for split in ("train", "validation", "test") for row in found.sentences(split)]
    assert {(row.text, second_text(row)) for row in rows} == {(row["one"], row["other"]) for row in ROWS}
    assert len(rows) == 80


def test_rows_with_the_same_first_text_are_held_out_together(tmp_path):
    write(tmp_path / "pairs.csv")
    found = checked(tmp_path, "pairs.csv")
    firsts = [{row.text for row in found.sentences(split)} for split in ("train", "validation", "test")]
    assert sum(map(len, firsts)) == len(set.union(*firsts)) == 40


def test_rows_of_a_file_without_second_texts_mix_with_pairs(tmp_path):
    write(tmp_path / "pairs.csv")
    write(tmp_path / "alone.csv", [{"one": f"alone {i}", "tone": ("dry", "warm")[i % 2]} for i in range(20)])
    found = checked(tmp_path, "pairs.csv", "alone.csv")
    alone = [row for row in found.sentences("train") if row.text.startswith("alone")]
    assert alone
    assert {(second_text(row), row.labels.get("sts")) for row in alone} == {(None, None)}


def test_task_about_two_texts_asks_for_their_column(tmp_path):
    write(tmp_path / "pairs.csv")
    with pytest.raises(
        UserError, match=r"tasks.sts: similarity is about two texts; name the column of the second.*data.pair="
    ):
        checked(tmp_path, "pairs.csv", pair=None)


def test_label_of_a_row_without_a_second_text_is_named(tmp_path):
    rows = [{**row, "score": row["score"] or 1} for row in ROWS]
    write(tmp_path / "pairs.csv", rows)
    with pytest.raises(
        UserError, match=r"pairs.csv rows 2, 6 and 18 more: sts: a label, and no second text in 'other'"
    ):
        checked(tmp_path, "pairs.csv")


def test_second_text_that_is_none_is_named(tmp_path):
    write(tmp_path / "pairs.jsonl", [*ROWS, {"one": "a", "other": 7}])
    with pytest.raises(UserError, match="pairs.jsonl row 81: other is 7 and no text"):
        checked(tmp_path, "pairs.jsonl")


def test_column_of_second_texts_has_no_other_purpose(tmp_path):
    write(tmp_path / "pairs.csv")
    with pytest.raises(UserError, match="data.pair: the column 'one' is that of the text or of a task"):
        checked(tmp_path, "pairs.csv", pair="one")


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_each_pair_counts_where_no_column_says_which(tmp_path, caplog, name):
    write(tmp_path / name)
    with caplog.at_level(logging.INFO, "polyhead"):
        found = checked(tmp_path, name, tasks={"tone": None, "near": "contrastive"}, columns=None)
    rows = [row for split in ("train", "validation", "test") for row in found.sentences(split)]
    assert all(row.labels["near"] == (None if row.second is None else "1") for row in rows)
    assert "near: no column of that name, so each pair counts (train 60); data.columns={near: COLUMN}" in caplog.text


def test_column_says_which_pairs_count(tmp_path, caplog):
    write(
        tmp_path / "pairs.csv",
        [{**row, "near": (i % 3 == 1) * 1 if row["other"] else None} for i, row in enumerate(ROWS)],
    )
    with caplog.at_level(logging.INFO, "polyhead"):
        found = checked(tmp_path, "pairs.csv", tasks={"tone": None, "near": "contrastive"}, columns=None)
    rows = [row for split in ("train", "validation", "test") for row in found.sentences(split)]
    assert sum(row.labels["near"] in ("1", "1.0") for row in rows) == sum(
        row["other"] is not None and i % 3 == 1 for i, row in enumerate(ROWS)
    )
    assert "each pair counts" not in caplog.text


def test_pairs_contradict_each_other_only_where_both_texts_are_equal(tmp_path, caplog):
    rows = [{"one": "the premise", "other": f"claim {i % 30}", "rel": ("yes", "no")[i % 2]} for i in range(30)]
    rows += [{"one": f"p{i}", "other": f"q{i}", "rel": ("yes", "no")[i % 2]} for i in range(40)]
    tasks = {"rel": {"kind": "entailment", "labels": ["yes", "no"]}}
    write(tmp_path / "pairs.csv", rows)
    checked(tmp_path, "pairs.csv", tasks=tasks, columns=None)
    assert "contradict" not in caplog.text
    write(tmp_path / "pairs.csv", [*rows, {"one": "the premise", "other": "claim 0", "rel": "no"}])
    checked(tmp_path, "pairs.csv", tasks=tasks, columns=None)
    assert "rel: 1 texts carry labels that contradict each other" in caplog.text


def test_fingerprint_changes_with_the_column_of_second_texts(tmp_path):
    write(tmp_path / "pairs.csv", [{**row, "third": row["other"]} for row in ROWS])
    one, other = (checked(tmp_path, "pairs.csv", pair=pair) for pair in ("other", "third"))
    assert one.fingerprint("train") != other.fingerprint("train")


def later(folder, pair):
    cache = TableCache(str(folder / "cache"), 1.0)
    files, columns = str(folder / "pairs.csv"), {"sts": "score"}
    return LaterFiles(files, "one", columns, Dialect(), list(TASKS), cache, pair=pair)


def test_later_files_have_second_texts_or_ask_for_them(tmp_path):
    write(tmp_path / "pairs.csv")
    tasks = checked(tmp_path, "pairs.csv")  # has class names
    made = make_tasks({"tone": ["dry", "warm"], "sts": {"kind": "similarity", "low": 0, "high": 3}})
    found = later(tmp_path, "other")
    found.check(made)
    assert sum(row.second is not None for row in found.sentences("test")) == 60
    with pytest.raises(UserError, match="sts: a label, and no second text; name their column: pair=COLUMN"):
        later(tmp_path, None).check(made)
    assert tasks.has("train")


def test_near_duplicates_are_told_of_both_texts(tmp_path, caplog):
    long = "the very same premise, which is long enough to have many runs of five characters"
    rows = [{"one": f"{long}", "other": sha512(bytes([i])).hexdigest(), "score": i % 4} for i in range(20)]
    write(tmp_path / "train.csv", rows[:10])
    write(tmp_path / "test.csv", [*rows[10:], {**rows[0], "other": rows[0]["other"] + "!"}])
    given = {"train": str(tmp_path / "train.csv"), "validation": None, "test": str(tmp_path / "test.csv")}
    settings = SETTINGS | {"columns": {"sts": "score"}, "near_duplicates": True, "holdout": {"validation": 0.0}}
    made = FileSource(given, cache=str(tmp_path / "cache"), pair="other", **settings)
    made.check(make_tasks({"sts": "similarity"}, made.find_labels))
    assert "1 of 11 test sentences nearly stand in train" in caplog.text


def test_pair_column_that_no_row_has_is_a_line(tmp_path):
    write(tmp_path / "pairs.csv")
    with pytest.raises(UserError, match=r"data\.pair: no row has a text in 'othr'; name the column of second texts"):
        checked(tmp_path, "pairs.csv", tasks={"tone": None}, pair="othr", columns=None)
