"""Files give their sentences; all that is wrong with them is said at once, in one line each."""

import pytest

from polyhead.errors import ParameterError, UserError
from polyhead.sources import FileSource
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


def test_file_source_mixes_sources_with_one_task_each(folder):
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


def test_file_source_takes_wildcards_and_lists(folder):
    files = source(folder, ["question*.csv", "tweets.tsv"])
    ready(files)
    assert [path.name for path in files.paths["train"][0]] == ["questions.csv", "tweets.tsv"]
    assert files.mixture("train") is None  # one source
    assert files.locate("test", 1) == "test.csv row 3"


def test_file_source_refuses_to_mix_one_source(folder):
    with pytest.raises(UserError, match="^mixing: 'equal' given, and train is one source; name several"):
        source(folder, ["questions.csv", "tweets.tsv"], mixing="equal")
    with pytest.raises(UserError, match="^mixing: unknown 'even'"):
        source(folder, "questions.csv", mixing="even")


def test_file_source_has_extra_test_sets_by_name(folder):
    files = source(folder, ["questions.csv", "tweets.tsv"], shifted={"news": "test.csv"})
    ready(files)
    assert files.test_sets == ("test", "news")
    assert len(list(files.sentences("news"))) == 2


@pytest.mark.parametrize(
    "train", [["questions.csv", "./questions.csv"], ["*.csv", "questions.csv"], {"a": "questions.csv", "b": "q*.csv"}]
)
def test_file_source_refuses_a_file_named_twice(folder, train):
    with pytest.raises(UserError, match=r"^files\.train: .*/questions\.csv named more than once; name each file once"):
        source(folder, train)


def test_file_source_takes_brackets_in_a_name(folder):
    (folder / "more [1].csv").write_text("text,category\nwhy,HUM\nwhere,LOC\n")
    assert [path.name for path in source(folder, "more [1].csv").paths["train"][0]] == ["more [1].csv"]


@pytest.mark.parametrize("train", [5, [5], [None], [["questions.csv"]], {"a": None, "b": "questions.csv"}, {"a": []}])
def test_file_source_refuses_what_is_no_path(folder, train):
    with pytest.raises(UserError, match=r"^files\.train: .* given; it must be a path, a list of paths"):
        source(folder, train)


def test_file_source_skips_an_extra_test_set_that_is_null(folder):
    assert source(folder, "questions.csv", shifted={"news": None}).test_sets == ("test",)


@pytest.mark.parametrize("name", ["a/b", "my.news", "my news", ""])
def test_file_source_refuses_names_of_test_sets_that_no_file_can_have(folder, name):
    with pytest.raises(UserError, match="cannot be part of a file's; use letters, digits, hyphens and underscores"):
        source(folder, "questions.csv", shifted={name: "test.csv"})
    assert source(folder, "questions.csv", shifted={2017: "test.csv", "b-c": "test.csv"}).test_sets[1:] == (
        "2017",
        "b-c",
    )


@pytest.mark.parametrize("quote", ["", "ab", ",", "\t"])
def test_file_source_refuses_a_quote_that_is_not_one_character(folder, quote):
    with pytest.raises(UserError, match=r"^quote: .* given; it must be one character other than a separator"):
        source(folder, "questions.csv", quote=quote)


def test_file_source_raises_all_problems_at_once(folder):
    with pytest.raises(ParameterError) as caught:
        source(
            folder,
            ["nowhere.csv", "question*.csv", "no*.csv"],
            files={"tset": "test.csv"},
            shifted={"train": "test.csv", "odd": "a.txt"},
            encoding="klingon",
            holdout={"test": 2.0},
        )
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "files",
        "shifted",
        "files.train",
        "files.train",
        "shifted.odd",
        "encoding",
        "holdout.test",
    ]
    with pytest.raises(UserError, match=r"files\.train: none given"):
        source(folder, None)


def test_file_source_raises_the_problems_of_several_files_at_once(folder):
    (folder / "a.csv").write_text("texts,category\nx,HUM\n")
    (folder / "b.csv").write_text("text,category\nx\n")
    with pytest.raises(UserError) as caught:
        ready(source(folder, ["a.csv", "b.csv"]))
    first, second = str(caught.value).splitlines()
    assert first.startswith("a.csv: no column 'text' for the text, set text")
    assert second == "b.csv row 2: 1 cells where the header has 2"


def test_file_source_refuses_a_task_that_no_file_has_a_column_for(folder):
    with pytest.raises(UserError, match="tasks.topic: no training sentence has a label for it"):
        ready(source(folder, "questions.csv", columns=None), ["category", "topic"])
