"""Rows become labelled sentences; rows that cannot be sentences are refused with file and row, all at once."""

import json

import pytest

from polyhead.errors import UserError
from polyhead.sources.records import JOINED, ROW, Columns, assign_columns, records
from polyhead.storage.dialect import Dialect

COLUMNS = {"sentence": "text", "mood": "tone"}


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return path


def rows(path, columns=COLUMNS):
    return list(records(path, Dialect(), columns))


def problems(path):
    with pytest.raises(UserError) as caught:
        rows(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,sentence,mood\n\n1,one,dry\n2,two,\n"),
        ("a.tsv", "id\tsentence\tmood\n\n1\tone\tdry\n2\ttwo\t\n"),
    ],
)
def test_records_have_the_columns_asked_for_and_their_row(tmp_path, name, content):
    assert rows(write(tmp_path, name, content)) == [
        {ROW: 3, JOINED: False, "text": "one", "tone": "dry"},
        {ROW: 4, JOINED: False, "text": "two", "tone": ""},
    ]


def test_records_of_json_may_lack_a_label(tmp_path):
    content = '{"sentence": "one"}\n{"sentence": "two", "mood": "dry", "more": [1]}\n'
    assert [row["tone"] for row in rows(write(tmp_path, "a.jsonl", content))] == [None, "dry"]


def test_records_have_labels_of_json_as_text(tmp_path):
    values = [3, 3.0, True, None, "three", float("nan")]  # NaN is a gap, as in Parquet
    content = "".join(json.dumps({"sentence": "a", "mood": value}) + "\n" for value in values)
    found = [row["tone"] for row in rows(write(tmp_path, "a.jsonl", content))]
    assert found == ["3", "3", "true", None, "three", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"sentence": 5}\n', "row 1: sentence is 5 and no text"),
        ('{"sentences": "a"}\n', "row 1: no key 'sentence' for the text, set text"),
        ('{"sentence": "a", "mood": [1]}\n', "row 1: mood is [1]; a label must be text or a whole number"),
        ('{"sentence": "a", "mood": 0.5}\n', "row 1: mood is 0.5; a label must be text or a whole number"),
        ('{"sentence": "a"}\n{"sentence":\n', "row 2: no JSON"),
        ("\n", "no row with a sentence"),
    ],
)
def test_records_refuse_what_cannot_be_a_sentence_with_file_and_row(tmp_path, content, message):
    path = write(tmp_path, "a.jsonl", content)
    (problem,) = problems(path)
    assert problem.startswith(str(path))
    assert message in problem


def test_records_refuse_all_bad_rows_at_once_but_not_in_a_thousand_lines(tmp_path):
    found = problems(write(tmp_path, "a.csv", "sentence,mood\n" + "a\n" * 50))
    assert len(found) == 21
    assert "row 21:" in found[19]
    assert found[-1].endswith("30 more rows that cannot be read")


def test_records_refuse_bad_rows_together_with_the_end_of_what_can_be_read(tmp_path):
    first, second = problems(write(tmp_path, "a.csv", 'sentence,mood\nshort\na,b\n"open,c\n'))
    assert "row 2: 1 cells where the header has 2" in first
    assert "after row 3: unexpected end of data" in second


def test_assign_columns_takes_the_name_of_a_task_unless_another_is_given():
    assert assign_columns("text", {"tone": "mood"}, ["tone", "topic"]) == Columns(
        "text", {"tone": "mood", "topic": "topic"}
    )
    assert assign_columns("text", {"tone": 2017}, ["tone"]).labels == {"tone": "2017"}


@pytest.mark.parametrize(
    ("columns", "tasks", "message"),
    [
        ({"tnoe": "x"}, ["tone"], "unknown task 'tnoe'; did you mean 'tone'"),
        ({"tone": "text"}, ["tone"], "the column 'text' is asked for twice"),
        ({"a": "x", "b": "x"}, ["a", "b"], "the column 'x' is asked for twice"),
    ],
)
def test_assign_columns_refuses_columns_that_make_no_sense(columns, tasks, message):
    with pytest.raises(UserError, match=message):
        assign_columns("text", columns, tasks)
