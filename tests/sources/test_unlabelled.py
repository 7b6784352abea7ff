"""Sentences without labels: trained on, checked as all are, and never held out."""

import pytest

from polyhead.errors import ParameterError
from polyhead.sources import FileSource
from polyhead.tasks import make_tasks

SETTINGS = {
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
LABELLED, UNLABELLED = 40, 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"why {i},{('HUM', 'LOC')[i % 2]}\n" for i in range(LABELLED))
    (tmp_path / "train.csv").write_text("text,category\n" + rows)
    (tmp_path / "more.txt").write_text("".join(f"who {i}\n" for i in range(UNLABELLED)))
    (tmp_path / "more.csv").write_text("text,category\n" + "".join(f"who {i},ODD\n" for i in range(UNLABELLED)))
    return tmp_path


def ready(folder, unlabelled="more.txt", files=None, **settings):
    paths = {"train": "train.csv", "validation": None, "test": None} | (files or {})
    source = FileSource(paths, cache=str(folder / "cache"), unlabelled=unlabelled, **SETTINGS | settings)
    tasks = make_tasks(["category"], source.find_labels)
    source.check(tasks)
    return source, tasks


def texts(source, split):
    return [sentence.text for sentence in source.sentences(split)]


@pytest.mark.parametrize("unlabelled", ["more.txt", "more.csv", ["more.*sv"]])
def test_sentences_without_labels_are_trained_on_and_never_held_out(folder, unlabelled):
    source, (task,) = ready(folder, unlabelled)
    plain, _ = ready(folder, None)
    for split in ("validation", "test"):
        assert texts(source, split) == texts(plain, split)  # the same as without them
    added = texts(source, "train")[len(texts(plain, "train")) :]
    assert added == [f"who {i}" for i in range(UNLABELLED)]
    assert [sentence.labels.get("category") for sentence in source.sentences("train")][-UNLABELLED:] == [
        None
    ] * UNLABELLED
    assert source.size("train") == plain.size("train") + UNLABELLED
    assert task.labels == ("HUM", "LOC")  # labels of such a file are not read
    assert source.fingerprint("train") != plain.fingerprint("train")
    assert source.locate("train", source.size("train") - 1).startswith("more.")


def test_folds_test_labelled_sentences_alone(folder):
    tested = []
    for fold in range(4):
        source, _ = ready(folder, folds=4, fold=fold)
        tested += texts(source, "test")
        assert sum(text.startswith("who") for text in texts(source, "train")) == UNLABELLED
        pool, rows = texts(source, "pool"), source.rows_in_pool("train")
        assert [pool[row] for row in rows] == texts(source, "train")
    assert sorted(tested) == sorted(f"why {i}" for i in range(LABELLED))


def test_sentences_without_labels_that_are_tested_are_told_and_dropped(folder, caplog):
    (folder / "test.csv").write_text("text,category\nWho 3,HUM\nwhy me,LOC\n")
    with caplog.at_level("INFO"):
        source, _ = ready(folder, files={"test": "test.csv"}, drop_test_duplicates=True)
    assert "1 of 2 test sentences stand in train as well" in caplog.text
    assert "test.csv row 2 is more.txt row 4" in caplog.text
    assert "who 3" not in texts(source, "train")
    assert "who 4" in texts(source, "train")


def test_rows_without_a_text_are_left_out_with_a_line(folder, caplog):
    (folder / "more.csv").write_text("text\nwho 1\n  \n")
    source, _ = ready(folder, "more.csv")
    assert "more.csv row 3: no text; left out" in caplog.text
    assert texts(source, "train")[-1] == "who 1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unlabelled": "no.txt"}, "unlabelled: no file 'no.txt'"),
        ({"unlabelled": "train.csv"}, "unlabelled: 'train.csv' is a file of a split as well; name it once"),
        ({"weight": "w"}, "unlabelled: given beside weight, and its sentences have none; leave one of them out"),
        ({"unlabelled": "more.pdf"}, "unlabelled: no file 'more.pdf'"),
    ],
)
def test_files_without_labels_that_do_not_fit_are_a_line(folder, settings, message):
    with pytest.raises(ParameterError, match=message):
        ready(folder, **settings)
