"""Whatever is wrong or odd is found, counted, and named with file and row."""

import datasets
import numpy as np
import pytest

from polyhead.sources.records import Columns
from polyhead.sources.scan import Vocabulary, scan
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read
from polyhead.sources.tables import Table
from polyhead.sources.validation import Inspection
from polyhead.storage.dialect import Dialect
from polyhead.tasks import Task
from polyhead.tasks.ordinal import Ordinal

TASK = Task("tone", ("dry", "warm"))


def table(name, rows):
    texts, labels = zip(*rows, strict=True)
    features = datasets.Features({"text": datasets.Value("string"), "tone": datasets.Value("string")})
    rows = datasets.Dataset.from_dict({"text": texts, "tone": labels}, features)
    return Table(name, rows, {"text": "text", "tone": "tone"}, name)


def inspection(max_examples=3, min_class_count=0, **splits):
    vocabularies = {"tone": Vocabulary()}
    good = [("good", "dry"), ("better", "warm")]
    splits = {"train": good, "validation": [("v", "dry")], "test": [("t", "dry")]} | splits
    tables = {split: rows if isinstance(rows[0], Table) else [table(split, rows)] for split, rows in splits.items()}
    scans = {split: scan(group, vocabularies) for split, group in tables.items()}
    return Inspection(scans, vocabularies, min_class_count, max_examples)


def findings(task=TASK, **settings):
    return inspection(**settings).findings([task])


def test_inspection_of_good_sentences_finds_nothing_but_their_numbers():
    result = findings()
    assert (result.errors, result.warnings) == ([], [])
    assert result.notes == [
        "train: 2 sentences; labels: tone 2",
        "validation: 1 sentences; labels: tone 1",
        "test: 1 sentences; labels: tone 1",
    ]


def test_inspection_proposes_a_kind_for_single_labels_alone():
    labels = ("1", "2", "3")
    rows = {"train": [(f"text {label}", label) for label in labels], "validation": [("v", "1")], "test": [("t", "1")]}
    (line,) = findings(Task("tone", labels), **rows).warnings
    assert "where they are a scale" in line
    assert findings(Task("tone", labels, Ordinal()), **rows).warnings == []


@pytest.mark.parametrize("text", ["", "  \t", "\u3000", None])
def test_inspection_leaves_out_a_row_without_a_text_and_its_label(text):
    result = findings(
        train=[("a", "dry"), (text, "warm"), (text, "dry"), ("b", "warm")], test=[("t", "dry"), (text, "warm")]
    )
    assert result.errors == []
    assert result.warnings == [
        "train rows 2, 3: 2 rows without a text left out",
        "test row 2: no text; left out",
    ]
    assert result.notes[0] == "train: 2 sentences; labels: tone 2"


def test_inspection_counts_rows_file_by_file():
    files = [table("one.csv", [("a", "dry")] * 5), table("two.csv", [("b", "dry"), ("", "warm"), (" ", "warm")])]
    (warning,) = findings(train=files, validation=[("v", "dry"), ("w", "warm")]).warnings[:1]
    assert warning.startswith("two.csv rows 2, 3:")


def test_inspection_refuses_an_unknown_label_with_its_rows():
    rows = [("a", "dry"), ("b", "wram"), ("c", "wram"), ("d", "warm"), ("e", "wram")]
    three = Task("tone", ("dry", "warm", "cold"))
    (error,) = findings(test=rows, max_examples=2, task=three).errors
    assert error.startswith("test rows 2, 3 and 1 more: tone: unknown label 'wram'; did you mean 'warm'?")


def test_inspection_refuses_a_label_that_training_never_shows():
    (error,) = findings(validation=[("a", "cold")]).errors
    assert error == "validation row 1: tone: 'cold' is no label of any training sentence"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_inspection_refuses_a_task_without_any_label(split):
    (error,) = findings(**{split: [("a", None), ("b", None)]}).errors
    assert error == f"tasks.tone: no {split} sentence has a label for it in {split}; see data.columns"


def test_inspection_counts_texts_that_stand_in_two_splits():
    result = findings(
        train=[("a", "dry"), ("b", "warm"), ("c", "dry")], test=[("x", "dry"), (" B ", "warm"), ("a", "dry")]
    )
    assert result.errors == []
    (warning,) = result.warnings
    assert warning.startswith(
        "2 of 3 test sentences stand in train as well (case, spaces and Unicode form aside): "
        "test row 2 is train row 2; test row 3 is train"
    )


def test_inspection_counts_contradicting_labels_once_per_text():
    rows = [("a", "dry"), ("b", "warm"), ("a", "warm"), ("c", "dry"), ("c", "dry"), ("a", None), ("a", "dry")]
    (warning,) = findings(train=rows).warnings
    assert warning.startswith("tone: 1 texts carry labels that contradict each other: ")
    assert warning.endswith(": train row 1 'dry', train row 3 'warm'")


@pytest.mark.parametrize("max_examples", [1, 3])
def test_inspection_names_rows_that_contradict_each_other_however_many_agree(max_examples):
    rows = [*[("a", "dry")] * 5, ("a", "warm"), ("a", "warm")]
    (warning,) = findings(train=rows, max_examples=max_examples).warnings
    assert warning.endswith(": train row 1 'dry', train row 6 'warm'")


def test_inspection_counts_very_many_unknown_labels():
    rows = [("a", "dry"), ("b", "warm"), *((f"c{i}", f"a sentence {'very ' * 99}{i}") for i in range(40))]
    errors = findings(test=rows, max_examples=2, task=Task("tone", ("dry", "warm", "cold"))).errors
    assert len(errors) == 3
    assert errors[2] == "tone: 38 more unknown labels; see data.columns and tasks"
    assert max(map(len, errors)) < 200


def test_inspection_counts_the_blank_lines_of_many_files_in_one_line(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.csv").write_text("text,tone\na,dry\n\nb,dry\n")
    columns = Columns("text", {"tone": "tone"})
    files = [read(tmp_path / f"{i}.csv", columns, Dialect(), TableCache(str(tmp_path / "cache"), 1)) for i in range(5)]
    (warning, *_) = findings(train=files, max_examples=2).warnings
    assert warning.endswith("1.csv and 3 more: 5 blank lines between the rows skipped")


def test_inspection_finds_contradicting_labels_across_splits():
    warnings = findings(train=[("a", "dry"), ("b", "warm")], test=[("b", "dry")]).warnings
    assert "tone: 1 texts carry labels that contradict each other: train row 2 'warm', test row 1 'dry'" in warnings


def test_inspection_names_rare_classes():
    rows = [("a", "dry"), ("b", "dry"), ("c", "warm")]
    told = inspection(train=rows, min_class_count=2).rare_classes([TASK], np.full(3, True))
    assert list(told) == ["tone: 1 classes with under 2 training sentences: 'warm' 1"]
    absent = Task("tone", ("dry", "warm", "cold"))
    told = inspection(train=rows, min_class_count=2, max_examples=1).rare_classes(
        [absent], np.array([True, False, False])
    )
    assert list(told) == ["tone: 3 classes with under 2 training sentences: 'warm' 0 and 2 more"]


def test_inspection_names_replacement_characters():
    (warning,) = findings(train=[("caf\ufffd", "dry"), ("b", "warm")]).warnings
    assert warning.startswith("train row 1: replacement characters")
