"""Files and hub data sets give the same sentences; what is not there is said at once, in one line each."""

import logging

import pytest

from polyhead.errors import UserError
from polyhead.sources import FileSource, HubSource
from polyhead.sources.files import make_layout
from polyhead.tasks import make_tasks

COMMON = {
    "holdout": {"validation": 0.2, "test": 0.2},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
}
FILES = {
    "shifted": None,
    "text": "text",
    "columns": None,
    "encoding": "utf-8",
    "quote": '"',
    "mixing": "proportional",
    "temperature": 2.0,
    **COMMON,
}
HUB = {"configuration": None, "text": "text", "columns": None, **COMMON}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two sources with a task each, and a test file with both."""
    monkeypatch.chdir(tmp_path)
    questions = "".join(f"why {i},{('HUM', 'LOC')[i % 2]}\n" for i in range(30))
    tweets = "".join(f"wow {i}\t{('good', 'bad')[i % 2]}\n" for i in range(40))
    (tmp_path / "questions.csv").write_text("text,category\n" + questions)
    (tmp_path / "tweets.tsv").write_text("text\tmood\n" + tweets)
    (tmp_path / "test.csv").write_text("text,category,mood\nwho,HUM,\nwhere,LOC,bad\n")
    return tmp_path


def source(folder, train, **settings):
    files = {"train": train, "validation": None, "test": "test.csv"} | settings.pop("files", {})
    return FileSource(files, cache=str(folder / "cache"), **FILES | {"columns": {"sentiment": "mood"}} | settings)


def ready(source, names=("category", "sentiment")):
    tasks = make_tasks(list(names), source.find_labels)
    source.check(tasks)
    return tasks


def test_disjoint_sources_train_both_tasks(folder):
    files = source(folder, {"questions": "questions.csv", "tweets": ["tweets.tsv"]}, mixing="equal")
    category, sentiment = ready(files)
    assert (category.labels, sentiment.labels) == (("HUM", "LOC"), ("bad", "good"))
    train = list(files.sentences("train"))
    assert len(train) == 30 - 6 + 40 - 8  # a fifth of each label of each source is validation
    assert {frozenset(s.labels) for s in train} == {frozenset({"category"}), frozenset({"sentiment"})}
    assert {
        text.split()[0]: origin for (text, _), origin in zip(train, files.mixture("train").origins, strict=True)
    } == {
        "why": 0,
        "wow": 1,
    }
    assert [dict(s.labels) for s in files.sentences("test")] == [
        {"category": "HUM", "sentiment": None},
        {"category": "LOC", "sentiment": "bad"},
    ]


def test_wildcards_and_lists_name_files(folder):
    files = source(folder, ["question*.csv", "tweets.tsv"])
    ready(files)
    assert [path.name for path in files.paths["train"][0]] == ["questions.csv", "tweets.tsv"]
    assert files.mixture("train") is None  # one source
    assert files.locate("test", 1) == "test.csv row 3"


def test_one_source_cannot_be_mixed(folder):
    with pytest.raises(UserError, match="data.mixing=equal: train is one source"):
        source(folder, ["questions.csv", "tweets.tsv"], mixing="equal")
    with pytest.raises(UserError, match="data.mixing: unknown 'even'"):
        source(folder, "questions.csv", mixing="even")


def test_further_test_sets_have_names(folder):
    files = source(folder, ["questions.csv", "tweets.tsv"], shifted={"news": "test.csv"})
    ready(files)
    assert files.test_sets == ("test", "news")
    assert len(list(files.sentences("news"))) == 2


@pytest.mark.parametrize(
    "train", [["questions.csv", "./questions.csv"], ["*.csv", "questions.csv"], {"a": "questions.csv", "b": "q*.csv"}]
)
def test_a_file_counts_once(folder, train):
    with pytest.raises(
        UserError, match=r"^data\.files\.train: .*/questions\.csv named more than once; name each file once"
    ):
        source(folder, train)


def test_brackets_may_be_part_of_a_files_name(folder):
    (folder / "more [1].csv").write_text("text,category\nwhy,HUM\nwhere,LOC\n")
    assert [path.name for path in source(folder, "more [1].csv").paths["train"][0]] == ["more [1].csv"]


@pytest.mark.parametrize("train", [5, [5], [None], [["questions.csv"]], {"a": None, "b": "questions.csv"}, {"a": []}])
def test_what_is_no_path_is_refused(folder, train):
    with pytest.raises(UserError, match=r"^data\.files\.train: .* given; it must be a path, a list of paths"):
        source(folder, train)


def test_a_further_test_set_can_be_switched_off(folder):
    assert source(folder, "questions.csv", shifted={"news": None}).test_sets == ("test",)


@pytest.mark.parametrize("name", ["a/b", "my.news", "my news", ""])
def test_further_test_sets_have_names_that_files_can_have(folder, name):
    with pytest.raises(UserError, match="cannot be part of a file's; use letters, digits, hyphens and underscores"):
        source(folder, "questions.csv", shifted={name: "test.csv"})
    assert source(folder, "questions.csv", shifted={2017: "test.csv", "b-c": "test.csv"}).test_sets[1:] == (
        "2017",
        "b-c",
    )


@pytest.mark.parametrize("quote", ["", "ab", ",", "\t"])
def test_a_quote_is_one_character(folder, quote):
    with pytest.raises(UserError, match=r"^data\.quote: .* given; it must be one character other than a separator"):
        source(folder, "questions.csv", quote=quote)


def test_all_that_is_wrong_with_the_files_is_told_at_once(folder):
    with pytest.raises(UserError) as caught:
        source(
            folder,
            ["nowhere.csv", "question*.csv", "no*.csv"],
            files={"tset": "test.csv"},
            shifted={"train": "test.csv", "odd": "a.txt"},
            holdout={"test": 2.0},
        )
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "data.files",
        "data.shifted",
        "data.files.train",
        "data.files.train",
        "data.shifted.odd",
        "data.holdout.test",
    ]
    with pytest.raises(UserError, match=r"data\.files\.train: none given"):
        source(folder, None)


def test_problems_of_several_files_are_told_at_once(folder):
    (folder / "a.csv").write_text("texts,category\nx,HUM\n")
    (folder / "b.csv").write_text("text,category\nx\n")
    with pytest.raises(UserError) as caught:
        ready(source(folder, ["a.csv", "b.csv"]))
    first, second = str(caught.value).splitlines()
    assert first.startswith("a.csv: no column 'text' for the text; did you mean 'texts'")
    assert second == "b.csv row 2: 1 cells where the header has 2"


def test_a_task_that_no_file_has_a_column_for_is_refused(folder):
    with pytest.raises(UserError, match="tasks.topic: no training sentence has a label for it"):
        ready(source(folder, "questions.csv", columns=None), ["category", "topic"])


@pytest.mark.parametrize(
    ("columns", "tasks", "message"),
    [
        ({"tnoe": "x"}, ["tone"], "unknown task 'tnoe'; did you mean 'tone'"),
        ({"tone": "text"}, ["tone"], "the column 'text' is asked for twice"),
        ({"a": "x", "b": "x"}, ["a", "b"], "the column 'x' is asked for twice"),
    ],
)
def test_columns_that_make_no_sense_are_refused(columns, tasks, message):
    with pytest.raises(UserError, match=message):
        make_layout("text", columns, tasks, "utf-8", None)


def test_a_column_may_be_called_by_a_number():
    assert make_layout("text", {"tone": 2017}, ["tone"], "utf-8", None).columns == {"tone": "2017"}


def test_a_data_set_in_a_folder_goes_the_way_of_the_hub(folder, caplog):
    data = folder / "set"
    data.mkdir()
    for split, name in (("train", "tweets.tsv"), ("test", "tweets.tsv")):
        rows = (folder / name).read_text().replace("\t", ",")
        (data / f"{split}.csv").write_text(rows)
    splits = {"train": "train", "validation": None, "test": "test"}
    hub = HubSource(str(data), splits=splits, cache=str(folder / "cache"), **HUB | {"columns": {"sentiment": "mood"}})
    with caplog.at_level(logging.WARNING):
        (sentiment,) = ready(hub, ["sentiment"])
    assert sentiment.labels == ("bad", "good")
    assert [len(list(hub.sentences(split))) for split in ("train", "validation", "test")] == [32, 8, 40]
    assert f"40 of 40 test sentences stand in train as well: {data} test row 1 is {data} train row 1" in caplog.text
    assert hub.fingerprint("train") != hub.fingerprint("validation")
    wrong = HubSource(str(data), splits=splits | {"test": "tset"}, cache=str(folder / "cache"), **HUB)
    with pytest.raises(UserError, match=r"data.splits.test: .* has no split 'tset'"):
        ready(wrong, ["mood"])


def test_without_a_hub_one_line_says_how_to_go_on(folder):
    hub = HubSource("nobody/nothing", splits={"train": "train"}, cache=str(folder / "cache"), **HUB)
    with pytest.raises(
        UserError, match="^data.name: 'nobody/nothing' cannot be loaded [^\n]*data=files reads local files$"
    ):
        ready(hub, ["sentiment"])
    with pytest.raises(UserError, match="data.name: none given"):
        HubSource(None, splits={"train": "train"}, cache="", **HUB)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": None}, r"data\.splits\.train: none given"),
        ({"train": "train", "tset": "test"}, r"data\.splits: unknown split 'tset'; did you mean 'test'"),
        ({"train": "train", "test": 5}, r"data\.splits\.test: 5 given; it must be a name, or null"),
        ({"train": ["train"]}, r"data\.splits\.train: \['train'\] given"),
    ],
)
def test_what_a_hub_data_set_calls_its_splits_is_checked(folder, splits, message):
    with pytest.raises(UserError, match=f"^{message}"):
        HubSource("set", splits=splits, cache=str(folder / "cache"), **HUB)
