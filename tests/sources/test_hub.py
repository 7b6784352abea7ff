"""A data set of the hub, or a folder laid out like one, gives the same sentences as files do."""

import logging

import pytest

from polyhead.errors import ParameterError, UserError
from polyhead.sources import HubSource
from polyhead.tasks import make_tasks

HUB = {
    "configuration": None,
    "text": "text",
    "columns": None,
    "holdout": {"validation": 0.2, "test": 0.2},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
}


def ready(source, names):
    tasks = make_tasks(list(names), source.find_labels)
    source.check(tasks)
    return tasks


def test_hub_source_reads_a_folder_laid_out_like_a_data_set(tmp_path, caplog):
    data = tmp_path / "set"
    data.mkdir()
    tweets = "".join(f"wow {i},{('good', 'bad')[i % 2]}\n" for i in range(40))
    for split in ("train", "test"):
        (data / f"{split}.csv").write_text("text,mood\n" + tweets)
    splits = {"train": "train", "validation": None, "test": "test"}
    hub = HubSource(str(data), splits=splits, cache=str(tmp_path / "cache"), **HUB | {"columns": {"sentiment": "mood"}})
    with caplog.at_level(logging.WARNING):
        (sentiment,) = ready(hub, ["sentiment"])
    assert sentiment.labels == ("bad", "good")
    assert [len(list(hub.sentences(split))) for split in ("train", "validation", "test")] == [32, 8, 40]
    assert "40 of 40 test sentences stand in train as well (case, spaces and Unicode form aside)" in caplog.text
    assert f"{data} test row 1 is {data} train row 1" in caplog.text
    assert hub.fingerprint("train") != hub.fingerprint("validation")
    wrong = HubSource(str(data), splits=splits | {"test": "tset"}, cache=str(tmp_path / "cache"), **HUB)
    with pytest.raises(UserError, match=r"data.splits.test: .* has no split 'tset'"):
        ready(wrong, ["mood"])


def test_hub_source_says_in_one_line_what_to_do_without_a_hub(tmp_path):
    hub = HubSource("nobody/nothing", splits={"train": "train"}, cache=str(tmp_path / "cache"), **HUB)
    with pytest.raises(
        UserError, match="^data.name: 'nobody/nothing' cannot be loaded [^\n]*data=files reads local files$"
    ):
        ready(hub, ["sentiment"])
    with pytest.raises(ParameterError, match="^name: none given"):
        HubSource(None, splits={"train": "train"}, cache="", **HUB)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": None}, r"splits\.train: none given"),
        ({"train": "train", "tset": "test"}, r"splits: unknown split 'tset'; did you mean 'test'"),
        ({"train": "train", "test": 5}, r"splits\.test: 5 given; it must be a name, or null"),
        ({"train": ["train"]}, r"splits\.train: \['train'\] given"),
    ],
)
def test_hub_source_refuses_names_of_splits_that_are_no_names(tmp_path, splits, message):
    with pytest.raises(ParameterError, match=f"^{message}"):
        HubSource("set", splits=splits, cache=str(tmp_path / "cache"), **HUB)
