"""Whatever is wrong or odd is found, counted, and named with file and row."""

import datasets
import numpy as np
import pytest

from polyhead.sources.inspection import Inspection, contained
from polyhead.sources.reading import Table
from polyhead.sources.scanning import Vocabulary, scan
from polyhead.tasks import Task

TASK = Task("tone", ("dry", "warm"))


def table(name, rows):
    texts, labels = zip(*rows, strict=True)
    features = datasets.Features({"text": datasets.Value("string"), "tone": datasets.Value("string")})
    rows = datasets.Dataset.from_dict({"text": texts, "tone": labels}, features)
    return Table(name, rows, {"text": "text", "tone": "tone"}, name)


def findings(shown=3, rare=0, task=TASK, **splits):
    vocabularies = {"tone": Vocabulary()}
    good = [("good", "dry"), ("better", "warm")]
    splits = {"train": good, "validation": [("v", "dry")], "test": [("t", "dry")]} | splits
    tables = {split: rows if isinstance(rows[0], Table) else [table(split, rows)] for split, rows in splits.items()}
    scans = {split: scan(group, vocabularies) for split, group in tables.items()}
    return Inspection(scans, vocabularies, rare, shown).findings([task])


def test_good_sentences_have_nothing_but_their_numbers():
    result = findings()
    assert (result.errors, result.warnings) == ([], [])
    assert result.notes == [
        "train: 2 sentences; labels: tone 2",
        "validation: 1 sentences; labels: tone 1",
        "test: 1 sentences; labels: tone 1",
    ]


@pytest.mark.parametrize("text", ["", "  \t", "\u3000", None])
def test_a_text_that_is_empty_after_stripping_is_refused_with_its_row(text):
    (error,) = findings(train=[("a", "dry"), (text, "warm")]).errors
    assert error == "train row 2: the text is empty; fill it in, or remove the row"


def test_a_row_is_counted_in_its_own_file():
    files = [table("one.csv", [("a", "dry")] * 5), table("two.csv", [("b", "dry"), ("", "warm"), (" ", "warm")])]
    (error,) = findings(train=files).errors
    assert error.startswith("two.csv rows 2, 3:")


def test_an_unknown_label_is_refused_with_its_rows():
    rows = [("a", "dry"), ("b", "wram"), ("c", "wram"), ("d", "warm"), ("e", "wram")]
    three = Task("tone", ("dry", "warm", "cold"))
    (error,) = findings(test=rows, shown=2, task=three).errors
    assert error.startswith("test rows 2, 3 and 1 more: tone: unknown label 'wram'; did you mean 'warm'?")


def test_where_labels_are_found_one_that_training_never_shows_is_refused():
    (error,) = findings(validation=[("a", "cold")]).errors
    assert error == "validation row 1: tone: 'cold' is no label of any training sentence"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_task_without_any_label_is_refused(split):
    (error,) = findings(**{split: [("a", None), ("b", None)]}).errors
    assert error == f"tasks.tone: no {split} sentence has a label for it in {split}; see data.columns"


def test_texts_in_two_splits_are_counted():
    result = findings(
        train=[("a", "dry"), ("b", "warm"), ("c", "dry")], test=[("x", "dry"), (" b ", "warm"), ("a", "dry")]
    )
    assert result.errors == []
    (warning,) = result.warnings
    assert warning.startswith(
        "2 of 3 test sentences stand in train as well: test row 2 is train row 2; test row 3 is train"
    )


def test_labels_that_contradict_each_other_are_counted_once_a_text():
    rows = [("a", "dry"), ("b", "warm"), ("a", "warm"), ("c", "dry"), ("c", "dry"), ("a", None), ("a", "dry")]
    (warning,) = findings(train=rows).warnings
    assert warning.startswith("tone: 1 texts carry labels that contradict each other: ")
    assert warning.endswith(": train row 1 'dry', train row 3 'warm', train row 7 'dry'")


def test_they_are_found_across_splits_too():
    warnings = findings(train=[("a", "dry"), ("b", "warm")], test=[("b", "dry")]).warnings
    assert "tone: 1 texts carry labels that contradict each other: train row 2 'warm', test row 1 'dry'" in warnings


def test_rare_classes_are_told():
    rows = [("a", "dry"), ("b", "dry"), ("c", "warm")]
    assert findings(train=rows, rare=2).warnings == ["tone: classes with under 2 training sentences: warm 1"]
    absent = Task("tone", ("dry", "warm", "cold"))
    assert findings(train=rows, rare=1, task=absent).warnings == [
        "tone: classes with under 1 training sentences: cold 0"
    ]


def test_replacement_characters_are_told():
    (warning,) = findings(train=[("caf\ufffd", "dry"), ("b", "warm")]).warnings
    assert warning.startswith("train row 1: replacement characters")


def test_membership_is_numpys():
    random = np.random.default_rng(0)
    texts, others = random.integers(0, 1000, 5000), random.integers(0, 1000, 300)
    assert (contained(texts, others) == np.isin(texts, others)).all()
    assert not contained(texts, others[:0]).any()
