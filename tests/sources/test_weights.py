"""Weights stand in a column of the training files, whatever their format, and belong to their rows."""

import json

import datasets
import numpy as np
import pandas
import pytest

from polyhead.errors import UserError
from polyhead.sources import FileSource, HubSource
from polyhead.sources.weights import scale_weights, to_weight
from polyhead.tasks import make_tasks

SETTINGS = {
    "holdout": {"validation": 0.2, "test": 0.2},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
    "text": "text",
    "columns": None,
}
FILES = {"shifted": None, "encoding": "utf-8", "quote": "auto", "mixing": "proportional", "temperature": 2.0}
ROWS = [{"text": f"t{i}", "mood": ("bad", "good")[i % 2], "trust": i / 8} for i in range(40)]


def checked(folder, *files, names=("mood",), weight="trust", **settings):
    """Return a source whose weights are checked."""
    given = {"train": [str(folder / name) for name in files], "validation": None, "test": None}
    settings = SETTINGS | FILES | settings
    source = FileSource(given, cache=str(folder / "cache"), weight=weight, **settings)
    source.check(make_tasks(list(names), source.find_labels))
    return source


def write_csv(path, rows):
    path.write_text("text,mood,trust\n" + "".join(f"{row['text']},{row['mood']},{row['trust']}\n" for row in rows))


def write(path, rows=ROWS):
    """Write rows in the format of the path's ending."""
    kind = path.suffix
    if kind == ".csv":
        write_csv(path, rows)
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == ".parquet":
        pandas.DataFrame(rows).to_parquet(path)
    else:
        datasets.Dataset.from_list(rows).save_to_disk(path)


def by_text(source):
    weights = source.weights("train")
    assert weights.dtype == np.float32
    return {sentence.text: weight for sentence, weight in zip(source.sentences("train"), weights, strict=True)}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "saved"])
@pytest.mark.parametrize("limit", [None, 10])
def test_weights_belong_to_their_rows_whatever_was_held_out(tmp_path, name, limit):
    write(tmp_path / name)
    source = checked(tmp_path, name, limit=limit)
    found = by_text(source)
    assert len(found) == (limit or 26)
    largest = max(int(text[1:]) for text in found)
    assert found == {text: pytest.approx(int(text[1:]) / largest) for text in found}
    assert source.weights("validation") is None
    assert all(sentence.labels.keys() == {"mood"} for sentence in source.sentences("train"))


def test_weights_of_a_fold_and_of_several_files(tmp_path):
    write(tmp_path / "a.csv", ROWS[:15])
    write(tmp_path / "b.jsonl", ROWS[15:])
    found = by_text(checked(tmp_path, "a.csv", "b.jsonl", folds=4, fold=1))
    largest = max(int(text[1:]) for text in found)
    assert found == {text: pytest.approx(int(text[1:]) / largest) for text in found}


def test_weights_of_a_data_set_with_splits_are_those_of_train(tmp_path):
    train, test = datasets.Dataset.from_list(ROWS), datasets.Dataset.from_list(ROWS[:4]).remove_columns("trust")
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(tmp_path / "all")
    splits = {"train": "train", "validation": None, "test": "test"}
    source = HubSource(str(tmp_path / "all"), None, splits, cache=str(tmp_path / "cache"), weight="trust", **SETTINGS)
    source.check(make_tasks(["mood"], source.find_labels))
    assert by_text(source)["t7"] == pytest.approx(7 / max(int(text[1:]) for text in by_text(source)))
    assert source.weights("test") is None


def test_weights_are_none_where_no_column_is_named(tmp_path):
    write(tmp_path / "a.csv")
    assert checked(tmp_path, "a.csv", weight=None).weights("train") is None


@pytest.mark.parametrize("cell", ["", "-1", "nan", "inf", "much", "1;5"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_weights_that_are_no_numbers_are_one_line(tmp_path, name, cell):
    write(tmp_path / name, [row | {"trust": cell} if i % 8 == 2 else row for i, row in enumerate(ROWS)])
    with pytest.raises(UserError) as caught:
        checked(tmp_path, name)
    rows = "4, 12, 20" if name == "a.csv" else "3, 11, 19"
    assert str(caught.value) == (
        f"{tmp_path / name} rows {rows} and 2 more: 5 weights in 'trust' are no numbers of 0 or more "
        f"(the first is {cell!r}); mend them, or leave out data.weight"
    )


@pytest.mark.parametrize("cell", [None, True, [1], float("nan")])
def test_weights_of_json_that_are_no_numbers_are_refused(tmp_path, cell):
    write(tmp_path / "a.jsonl", [*ROWS, {"text": "t", "mood": "bad", "trust": cell}])
    with pytest.raises(UserError, match=r"row 41: 1 weights in 'trust' are no numbers of 0 or more"):
        checked(tmp_path, "a.jsonl")


def test_weights_of_parquet_that_are_missing_are_refused(tmp_path):
    write(tmp_path / "a.parquet", [*ROWS, {"text": "t", "mood": "bad", "trust": None}])
    with pytest.raises(UserError, match=r"row 41: 1 weights in 'trust' are no numbers of 0 or more"):
        checked(tmp_path, "a.parquet")
    write(tmp_path / "b.parquet", [row | {"trust": True} for row in ROWS])
    with pytest.raises(UserError, match=r"the column 'trust' holds bool; weights must be numbers \(data.weight\)"):
        checked(tmp_path, "b.parquet")


def test_weights_of_rows_without_a_text_do_not_matter(tmp_path):
    write(tmp_path / "a.csv", [*ROWS, {"text": "", "mood": "", "trust": "none"}])
    assert checked(tmp_path, "a.csv").weights("train") is not None


def test_weights_that_leave_out_a_whole_task_are_refused(tmp_path):
    write(tmp_path / "a.csv", [row | {"trust": 0} for row in ROWS])
    with pytest.raises(UserError, match=r"tasks.mood: all its training sentences have the weight 0; see data.weight"):
        checked(tmp_path, "a.csv")


def test_weights_need_their_column_in_each_training_file(tmp_path):
    write(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("text,mood\nx,bad\n")
    with pytest.raises(UserError, match=r"a.csv: no column 'turst' for the weights, set data.weight; did you mean"):
        checked(tmp_path, "a.csv", weight="turst")
    with pytest.raises(UserError, match=r"b.csv: no column 'trust' for the weights"):
        checked(tmp_path, "a.csv", "b.csv")
    with pytest.raises(UserError, match=r"data.weight: the column 'mood' is that of the text or of a task"):
        checked(tmp_path, "a.csv", weight="mood")


def test_scaled_weights_of_equal_ones_are_one_whatever_their_size():
    for weight in (1e-300, 0.1, 3.0, 1e300):
        assert scale_weights(np.full(5, weight)).tolist() == [1.0] * 5
    assert scale_weights(np.array([0.0, 1.0, 4.0])).tolist() == [0.0, 0.25, 1.0]


def test_weight_of_a_number_too_long_for_a_float_is_none():
    assert np.isnan(to_weight(10**400))
