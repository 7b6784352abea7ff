"""Tables become splits: labels found, duplicates dropped, a missing split held out, nothing lost."""

import logging

import datasets
import pytest

from polyhead.errors import ParameterError, UserError
from polyhead.sources.settings import SplitSettings
from polyhead.sources.splits import TableSource
from polyhead.sources.tables import Table
from polyhead.tasks import make_tasks

SETTINGS = {
    "holdout": {"validation": 0.2, "test": 0.1},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
}


class Tables(TableSource):
    """``{split: [source: [(text, tone, stars)]]}``; labels as they are."""

    def __init__(self, splits, **settings):
        super().__init__(SplitSettings(**SETTINGS | settings))
        self.given = splits

    def tables(self, tasks, free=()):
        features = datasets.Features({name: datasets.Value("string") for name in ("text", *tasks)})
        made = {}
        for split, groups in self.given.items():
            made[split] = []
            for number, rows in enumerate(groups):
                columns = dict(zip(("text", "tone", "stars"), zip(*rows, strict=True), strict=True))
                rows = datasets.Dataset.from_dict({name: columns[name] for name in features}, features)
                made[split].append(
                    [Table(f"{split}{number}", rows, {n: n for n in features}, f"{split}{number}{rows._fingerprint}")]
                )
        return made


def many(prefix, count):
    return [(f"{prefix}{i}", ("dry", "warm")[i % 2], None if i % 3 else "5") for i in range(count)]


def checked(splits, names=("tone", "stars"), **settings):
    source = Tables(splits, **settings)
    tasks = make_tasks({"tone": None, "stars": ["1", "5"]} if "stars" in names else ["tone"], source.find_labels)
    source.check(tasks)
    return source, tasks


def texts(source, split):
    return [sentence.text for sentence in source.sentences(split)]


GIVEN = {"train": [many("a", 60)], "validation": [many("v", 10)], "test": [many("t", 10)]}


def test_table_source_yields_its_sentences_with_labels_found_and_given():
    source, (tone, stars) = checked(GIVEN)
    assert (tone.labels, stars.labels) == (("dry", "warm"), ("1", "5"))
    assert [(s.text, s.labels["tone"], s.labels["stars"]) for s in source.sentences("train")] == many("a", 60)
    assert texts(source, "test") == [f"t{i}" for i in range(10)]
    assert source.locate("train", 7) == "train0 row 8"


@pytest.mark.parametrize("missing", [["validation"], ["test"], ["validation", "test"]])
def test_table_source_holds_a_missing_split_out_from_train(missing):
    given = {split: rows for split, rows in GIVEN.items() if split not in missing}
    source, _ = checked(given)
    parts = {split: texts(source, split) for split in ("train", "validation", "test")}
    from_train = sorted(parts["train"] + [text for split in missing for text in parts[split]])
    assert from_train == sorted(f"a{i}" for i in range(60))  # each exactly once, none lost
    assert set(parts["validation"]).isdisjoint(parts["test"])
    labels = [sentence.labels["tone"] for sentence in source.sentences(missing[0])]
    assert labels.count("dry") == labels.count("warm") == (6 if missing[0] == "validation" else 3)
    assert source.locate(missing[0], 0) == f"train0 row {int(parts[missing[0]][0][1:]) + 1}"


def test_table_source_holds_out_by_the_seed():
    one, two, other = (checked({"train": [many("a", 60)]}, seed=seed)[0] for seed in (0, 0, 1))
    assert texts(one, "validation") == texts(two, "validation") != texts(other, "validation")
    assert one.fingerprint("train") == two.fingerprint("train") != other.fingerprint("train")
    assert one.fingerprint("train") != one.fingerprint("validation")


def test_table_source_refuses_a_missing_split_without_a_share():
    with pytest.raises(UserError, match="no test split given, and no share in data.holdout.test"):
        checked({split: rows for split, rows in GIVEN.items() if split != "test"}, holdout={})


def test_table_source_drops_test_duplicates_from_train_alone_and_counts_them(caplog):
    leaky = GIVEN | {"train": [[*many("a", 20), ("t3", "dry", None), (" v1", "warm", None), ("t3", "warm", None)]]}
    kept, _ = checked(leaky)
    assert len(texts(kept, "train")) == 23
    with caplog.at_level(logging.INFO):
        source, _ = checked(leaky, drop_test_duplicates=True)
    assert texts(source, "train") == [f"a{i}" for i in range(20)]
    assert len(texts(source, "test")) == len(texts(source, "validation")) == 10
    assert "drop_test_duplicates: 3 training sentences left out" in caplog.text
    assert "1 of 10 test sentences stand in train as well" in caplog.text


def test_table_source_knows_the_origin_of_each_sentence():
    source, _ = checked(
        {"train": [many("a", 30), many("b", 20)], "validation": [many("v", 10)], "test": [many("t", 9)]}
    )
    source.exponent = 0.5
    assert list(source.mixture("train").origins) == [0] * 30 + [1] * 20
    assert source.mixture("validation") is None
    cut, _ = checked({"train": [many("a", 30), many("b", 20)]})
    cut.exponent = 0.5
    assert [text[0] for text in texts(cut, "train")] == ["ab"[i] for i in cut.mixture("train").origins]


def test_table_source_counts_rare_classes_among_the_sentences_that_are_left(caplog):
    warm = [(f"w{i}", "warm", None) for i in range(5)]
    given = {"train": [many("a", 60)[::2] + warm], "validation": [many("v", 10)], "test": [warm[1:]]}
    with caplog.at_level(logging.WARNING):
        checked(given, ["tone"], min_class_count=3)
        assert "classes with under" not in caplog.text
        checked(given, ["tone"], min_class_count=3, drop_test_duplicates=True)
    assert "tone: 1 classes with under 3 training sentences: 'warm' 1" in caplog.text


def test_table_source_raises_all_problems_together():
    bad = {"train": [[("a", "dry", "8"), ("b", "warm", "7")]], "validation": [many("v", 10)], "test": [many("t", 9)]}
    with pytest.raises(UserError) as caught:
        checked(bad)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("train0 row 1: stars: unknown label '8'")
    assert lines[1].startswith("train0 row 2: stars: unknown label '7'")
    assert len(lines) == 2


def test_table_source_can_be_checked_again():
    source, tasks = checked({"train": [many("a", 60)]})
    before = {split: texts(source, split) for split in ("train", "validation", "test")}
    source.check(tasks)
    assert before == {split: texts(source, split) for split in ("train", "validation", "test")}


@pytest.mark.parametrize(("name", "what"), [("text", "sentences"), ("_row", "rows' numbers")])
def test_table_source_refuses_a_task_called_like_a_column_of_its_own(name, what):
    with pytest.raises(UserError, match=f"'{name}' is the name of the {what}"):
        Tables(GIVEN).find_labels([name])


def test_table_source_refuses_splits_that_are_left_without_sentences_or_labels():
    same = [many("a", 12)]
    with pytest.raises(UserError, match="data: no train sentence is left"):
        checked({"train": same, "validation": same, "test": same}, drop_test_duplicates=True)
    plain = [(f"p{i}", None, "5") for i in range(9)]
    with pytest.raises(UserError, match=r"^tasks.tone: no train sentence with a label for it is left"):
        checked({"train": [*same, plain], "validation": same, "test": same}, drop_test_duplicates=True)


def test_table_source_finds_and_drops_test_duplicates_as_a_person_would(caplog):
    forms = ["A Sentence No {}", "a  sentence no {}", "\uff21 sentence no\u00a0{}"]
    test = [(forms[i % 3].format(i), "dry", None) for i in range(60)]
    train = [(f"a sentence no {i}", "dry", None) for i in range(60)] + many("b", 40)
    given = {"train": [train], "validation": [many("v", 10)], "test": [test]}
    source, _ = checked(given, ["tone"], drop_test_duplicates=True)
    assert "60 of 60 test sentences stand in train as well" in caplog.text
    assert texts(source, "train") == [f"b{i}" for i in range(40)]


def test_table_source_takes_a_few_sentences_of_each_split_for_a_quick_try(caplog):
    sources = [checked({"train": [many("a", 200)]}, limit=15, seed=seed)[0] for seed in (1, 1, 2)]
    one, same, other = ([texts(source, split) for split in ("train", "validation", "test")] for source in sources)
    assert [len(split) for split in one] == [15, 15, 15]
    assert one == same != other
    assert len({text for split in one for text in split}) == 45
    assert "train: 15 of 144 sentences, chosen by data.seed with each class's share (data.limit)" in caplog.text
    with pytest.raises(ParameterError, match="limit: 0 given; it must be 1 or more, or null"):
        checked(GIVEN, limit=0)


def test_table_source_counts_near_duplicates_if_asked(caplog):
    long = "this is a rather long sentence about the weather of number"
    given = {
        "train": [[(f"{long} {i} {i * 7919}", ("dry", "warm")[i % 2], None) for i in range(40)]],
        "validation": [many("v", 10)],
        "test": [[(f"{long} 3 {3 * 7919}!", "dry", None), ("another", "warm", None)]],
    }
    checked(given, ["tone"])
    assert "nearly stand" not in caplog.text
    checked(given, ["tone"], near_duplicates=True)
    assert "1 of 2 test sentences nearly stand in train" in caplog.text


def test_table_source_leaves_rows_without_a_text_out_of_every_split(caplog):
    blank = [("", "dry", "5"), (None, "warm", "1"), (" ", "dry", None)]
    source, _ = checked(
        {"train": [[*many("a", 60), *blank]], "validation": [many("v", 10)], "test": [[*many("t", 9), *blank]]}
    )
    assert (len(texts(source, "train")), len(texts(source, "test"))) == (60, 9)
    assert "train0 rows 61, 62, 63: 3 rows without a text left out" in caplog.text
    assert "stand in train as well" not in caplog.text
    assert "contradict" not in caplog.text


def test_table_source_names_the_column_that_was_meant():
    source = Tables({"train": [many("a", 10)]})
    made = source.tables

    def tables(tasks, free=()):
        (table,) = made(["tone"])["train"][0]
        table.columns, table.tasks, table.present = {"text": "text"}, [], ["text", " Tone"]
        return {"train": [[table]]}

    source.tables = tables
    with pytest.raises(UserError) as caught:
        source.find_labels(["tone"])
    assert "train0 has no column 'tone'; did you mean ' Tone' or 'text'?" in str(caught.value)
    assert str(caught.value).endswith("""'data.columns={tone: " Tone"}' names another""")


def test_table_source_knows_which_sentences_it_told_to_stand_in_another_split():
    test = [("v1", None, None), ("new", None, None), ("a7", None, None), ("a3", None, None)]
    given = {"train": [many("a", 12)], "validation": [many("v", 10)], "test": [test]}
    source, _ = checked(given, ["tone"])
    assert source.shared("train", "test").tolist() == [2, 3]
    assert source.shared("validation", "test").tolist() == [0]
    assert source.shared("train", "validation").tolist() == []
