"""Shards give the sentences that the same files give when they are read as a whole; what is wrong with one names it."""

import gzip

import pytest
from support.shards import COMMON, rows, shard_source, write_shard, write_shards

from polyhead.errors import ParameterError, UserError
from polyhead.sources import FileSource
from polyhead.tasks import Task
from polyhead.tasks.similarity import Similarity

SIZES = [5, 30, 12]


def problem(source, tasks):
    with pytest.raises(UserError) as caught:
        source.check(tasks)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_shard_source_gives_the_sentences_that_a_file_source_gives(tmp_path, tasks, ending):
    paths = write_shards(tmp_path / "shards", SIZES, ending)
    content = rows(3)
    content[1]["text"] = "  "  # no text
    content[2]["category"] = None
    write_shard(paths[0], content)
    shards = shard_source(tmp_path / "cache", str(tmp_path / "shards" / f"*.{ending}"))
    shards.check(tasks)
    holdout = {"holdout": {"validation": 0.0, "test": 0.1}, "seed": 0, "drop_test_duplicates": False}
    test = write_shard(tmp_path / "test.csv", rows(4, 60))
    files = FileSource(
        {"train": [*map(str, paths)], "test": str(test)},
        cache=str(tmp_path / "cache"),
        **COMMON | holdout | {"mixing": "proportional", "temperature": 2.0},
    )
    files.check(tasks)
    assert list(shards.sentences("train")) == list(files.sentences("train"))
    assert shards.size("train") == 3 + 30 + 12, "rows without a text are known only when they are read"


def test_shard_source_takes_a_pattern_a_list_and_a_folder_for_the_same_shards(tmp_path, tasks):
    paths = write_shards(tmp_path / "shards", SIZES)
    (tmp_path / "shards" / "_SUCCESS").touch()  # as Spark leaves it
    given = [str(tmp_path / "shards" / "*.parquet"), [*map(str, paths)], str(tmp_path / "shards")]
    found = []
    for train in given:
        source = shard_source(tmp_path / "cache", train)
        source.check(tasks)
        found.append([shard.path for shard in source.shards("train").files])
    assert found == [paths] * 3


def test_shard_source_leaves_no_copy_of_a_shard(tmp_path, tasks):
    write_shards(tmp_path / "shards", SIZES)
    source = shard_source(tmp_path / "cache", str(tmp_path / "shards"))
    source.check(tasks)
    assert not (tmp_path / "cache").exists(), "no row is read beforehand"
    sentences = source.sentences("train")
    next(sentences)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert len(list(sentences)) == sum(SIZES) - 1
    assert not list((tmp_path / "cache").iterdir())


def test_shard_source_says_in_one_line_what_it_does_not_look_at(tmp_path, tasks, caplog):
    write_shards(tmp_path / "shards", SIZES)
    with caplog.at_level("INFO", "polyhead"):
        shard_source(tmp_path / "cache", str(tmp_path / "shards")).check(tasks)
    line, none = (record.getMessage() for record in caplog.records)
    assert line.startswith("train: 47 rows in 3 shards; read when they are needed, so not looked at beforehand: labels")
    assert none.startswith("validation: none given, and nothing is held out of shards")


def damage(path, how):
    """Damage a shard, and return what the line says of it."""
    if how == "empty":
        path.write_bytes(b"")
        return "no Parquet file" if path.suffix == ".parquet" else "no header"
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
        return "no Parquet file"
    if how == "rowless":
        write_shard(path, rows(1))
        if path.suffix == ".parquet":
            from pyarrow import parquet

            parquet.write_table(parquet.read_table(path).slice(0, 0), path)
        else:
            path.write_text(path.read_text().splitlines()[0] + "\n" * (path.suffix == ".csv"))
        return "no row with a sentence"
    if how == "columns":
        write_shard(path, [{"text": row["text"], "category": row["category"]} for row in rows(5)])
        return "has no column 'sentiment', and"
    write_shard(path, [{"body": row["text"], "category": "News", "sentiment": None} for row in rows(5)])
    return "no column 'text'"


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        *(("parquet", how) for how in ("empty", "truncated", "rowless", "columns", "text")),
        *(("csv", how) for how in ("rowless", "columns", "text")),
        *(("jsonl", how) for how in ("columns", "text")),
    ],
)
def test_shard_source_names_a_shard_that_is_damaged(tmp_path, tasks, ending, how):
    paths = write_shards(tmp_path / "shards", SIZES, ending)
    reason = damage(paths[1], how)
    line = problem(shard_source(tmp_path / "cache", str(tmp_path / "shards")), tasks)
    assert line.startswith(str(paths[1])), line
    assert reason in line
    assert "\n" not in line


def test_shard_source_names_a_compressed_shard_that_was_cut(tmp_path, tasks):
    path = tmp_path / "part.csv.gz"
    plain = write_shard(tmp_path / "plain.csv", rows(60)).read_bytes()
    path.write_bytes(gzip.compress(plain)[:-30])
    line = problem(shard_source(tmp_path / "cache", str(path)), tasks)
    assert str(path) in line
    assert "\n" not in line


def test_shard_source_names_a_shard_that_is_not_there(tmp_path):
    paths = write_shards(tmp_path / "shards", [2])
    with pytest.raises(ParameterError, match=r"files\.train: no file '.*gone\.parquet'"):
        shard_source(tmp_path / "cache", [str(paths[0]), str(tmp_path / "gone.parquet")])


@pytest.mark.parametrize("change", ["gone", "longer"])
def test_shard_names_itself_when_it_changed_after_it_was_opened(tmp_path, tasks, change):
    (path,) = write_shards(tmp_path / "shards", [4])
    source = shard_source(tmp_path / "cache", str(path))
    source.check(tasks)
    path.unlink() if change == "gone" else write_shard(path, rows(6))
    with pytest.raises(UserError, match=r"part-0\.parquet: (cannot be read|6 rows, and there were 4)"):
        list(source.sentences("train"))


def test_shard_gives_the_row_of_a_label_that_its_task_does_not_have(tmp_path, tasks):
    content = rows(9)
    content[0]["text"] = ""
    content[7]["sentiment"] = "positive"
    path = write_shard(tmp_path / "a.csv", content)
    source = shard_source(tmp_path / "cache", str(path))
    source.check(tasks)
    line = source.shards("train").files[0].unread_label(tasks)
    assert line.startswith(f"{path} row 9: sentiment: ")
    assert "positive" in line


def test_shard_source_refuses_to_look_for_labels_and_tasks_without_a_column(tmp_path, tasks):
    write_shards(tmp_path / "shards", [3])
    source = shard_source(tmp_path / "cache", str(tmp_path / "shards"))
    with pytest.raises(UserError, match=r"tasks: no classes given for category, .*'tasks=\[\{category: \[A, B\]\}\]'"):
        source.find_labels(["category"])
    assert "tasks.topic: no shard has a column 'topic' for it" in problem(source, [Task("topic", ("a", "b"))])
    assert "is about two texts" in problem(source, [Task("alike", (), Similarity())])


def test_shard_source_checks_the_other_splits_as_files(tmp_path, tasks):
    write_shards(tmp_path / "shards", [3])
    content = rows(4)
    content[2]["category"] = "Questions"
    path = write_shard(tmp_path / "test.csv", content)
    source = shard_source(tmp_path / "cache", str(tmp_path / "shards"), files={"test": str(path)})
    assert f"{path} row 4: category: unknown label 'Questions'" in problem(source, tasks)


def test_shard_source_fingerprint_changes_with_a_shard(tmp_path, tasks):
    paths = write_shards(tmp_path / "shards", SIZES)

    def fingerprint():
        source = shard_source(tmp_path / "cache", str(tmp_path / "shards"))
        source.check(tasks)
        return source.fingerprint("train")

    before = fingerprint()
    assert fingerprint() == before
    write_shard(paths[2], [*rows(11, 35), *rows(1)])
    assert fingerprint() != before
