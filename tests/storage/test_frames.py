"""Tables in memory, of each library, written as files: equal content is one file."""

import json
import math
from datetime import date

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from polyhead.errors import UserError
from polyhead.storage.frames import is_frame, write_frame

ROWS = [{"text": "good", "stars": 5}, {"text": "ba\nd ü 💡", "stars": None}]
COLUMNS = ["text", "stars"]


def polars_frame():
    return pytest.importorskip("polars").DataFrame(ROWS)


FRAMES = {
    "list": lambda: ROWS,
    "tuple": lambda: tuple(ROWS),
    "pandas": lambda: pd.DataFrame(
        {"text": [row["text"] for row in ROWS], "stars": pd.array([5, None], dtype="Int64")}
    ),
    "polars": polars_frame,
    "polars lazy": lambda: polars_frame().lazy(),
    "datasets": lambda: datasets.Dataset.from_list(ROWS),
    "pyarrow": lambda: pa.Table.from_pylist(ROWS),
}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.mark.parametrize("kind", FRAMES)
def test_equal_frames_of_every_library_are_one_file(tmp_path, kind):
    assert is_frame(FRAMES[kind]())
    path = write_frame(FRAMES[kind](), "train", COLUMNS, tmp_path / "new")
    assert lines(path) == ROWS
    assert write_frame(ROWS, "train", COLUMNS, tmp_path / "new") == path
    assert [*path.parent.iterdir()] == [path]
    assert write_frame(ROWS[:1], "train", COLUMNS, tmp_path / "new") != path


def test_frame_is_written_with_the_columns_that_are_read_alone(tmp_path):
    frame = pd.DataFrame({"text": ["a"], "body": [{"title": "b", "rest": [1, float("nan")]}], "junk": [object()]})
    path = write_frame(frame, "train", ["text", "body.title", "other"], tmp_path, required=["text", "body.title"])
    assert lines(path) == [{"text": "a", "body": {"title": "b", "rest": [1, None]}}]


def test_frame_has_what_is_missing_as_null_and_scalars_as_plain_values(tmp_path):
    cells = [None, math.nan, pd.NA, pd.NaT, np.float32("nan"), np.int64(3), np.float32(0.5), np.str_("x"), True]
    path = write_frame([{"a": cell} for cell in [*cells, date(2026, 1, 31)]], "test", ["a"], tmp_path)
    assert [row["a"] for row in lines(path)] == [None] * 5 + [3, 0.5, "x", True, "2026-01-31"]


def test_class_numbers_of_a_data_set_become_their_names(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "tone": datasets.ClassLabel(names=["bad", "good"])})
    dataset = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "tone": [1, 0, -1]}, features=features)
    assert [row["tone"] for row in lines(write_frame(dataset, "train", ["tone"], tmp_path))] == ["good", "bad", None]


def test_number_of_no_class_is_refused(tmp_path):
    features = datasets.Features({"tone": datasets.ClassLabel(names=["bad", "good"])})
    plain = datasets.Dataset.from_dict({"tone": [1, 2]})
    dataset = datasets.Dataset(plain.data, datasets.DatasetInfo(features=features))
    with pytest.raises(UserError, match="train row 2: 2 is the number of no class; they are 0 to 1"):
        write_frame(dataset, "train", ["tone"], tmp_path)


def test_lists_of_class_numbers_of_a_data_set_become_lists_of_names(tmp_path):
    features = datasets.Features({"tags": datasets.List(datasets.ClassLabel(names=["bad", "good"]))})
    dataset = datasets.Dataset.from_dict({"tags": [[1, 0], [], None, [-1]]}, features=features)
    assert [row["tags"] for row in lines(write_frame(dataset, "train", ["tags"], tmp_path))] == [
        ["good", "bad"],
        [],
        None,
        None,
    ]


def test_arrays_in_cells_are_lists_as_pandas_reads_them_from_parquet(tmp_path):
    pa.parquet.write_table(pa.Table.from_pylist([{"tags": ["a", "b"]}, {"tags": ["c"]}]), tmp_path / "t.parquet")
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert isinstance(frame["tags"][0], np.ndarray)
    found = lines(write_frame(frame, "train", ["tags"], tmp_path / "new"))
    assert [row["tags"] for row in found] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "train: the column 'text' stands there twice"),
        ([{"txt": "a"}], "train: no column 'text'; did you mean 'txt'"),
        (pd.DataFrame({"text": []}), "train: no rows given"),
        ([{"text": "a"}, {"text": object()}], "train row 2: .* give texts and numbers"),
        ([{"text": math.inf}], "train row 1: .* give texts and numbers"),
        (datasets.DatasetDict({"one": datasets.Dataset.from_list(ROWS)}), "train: a DatasetDict given; .*one"),
        (pd.Series(["a"]), "train: Series given; it must be"),
    ],
)
def test_frame_that_cannot_be_read_is_refused(tmp_path, frame, message):
    with pytest.raises(UserError, match=message):
        write_frame(frame, "train", ["text"], tmp_path, required=["text"])
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("value", ["train.csv", ["a.csv"], [], {"a": ROWS}, None, 3])
def test_other_values_are_no_frames(value):
    assert not is_frame(value)
