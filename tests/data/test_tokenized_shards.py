"""Batches of shards hold what the same sentences hold when their split is tokenized as a whole."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fakes import word_tokenizer
from support.shards import rows, shard_source, write_shard, write_shards

from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import UserError

SETTINGS = LoaderSettings(batch_size=8, evaluation_batch_size=7, bucket_batches=4, seed=0, workers=0)
SIZES = [50, 7, 90]


def make(tmp_path, tasks, cache=True, workers=0, limit_gb=1.0, **settings):
    source = shard_source(tmp_path / "tables", str(tmp_path / "shards"), **{"window": 40} | settings)
    source.check(tasks)
    tokens = TokenCache(str(tmp_path / "tokens"), limit_gb) if cache else None
    tokenizer = TextTokenizer(word_tokenizer(), 16)
    return SentenceData(source, tasks, tokenizer, replace(SETTINGS, workers=workers), token_cache=tokens)


def whole(data, tasks):
    """Return all sentences as one split."""
    names = [task.name for task in tasks]
    chunks = data.text_tokenizer.tokenize_labeled(data.source.sentences("train"), tasks)
    return TokenizedSplit(TokenizedSentences.concatenate(chunks, names), data.text_tokenizer.padding)


def equal(one, other):
    same = torch.equal(one.input_ids, other.input_ids)
    return same and all(torch.equal(one.labels[name], other.labels[name]) for name in other.labels)


@pytest.mark.parametrize("cache", [True, False])
def test_shard_batches_are_those_of_the_whole_split(tmp_path, tasks, cache):
    write_shards(tmp_path / "shards", SIZES)
    data = make(tmp_path, tasks, cache)
    split = whole(data, tasks)
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader())
    for batch in batches:
        assert equal(batch, split[batch.rows.tolist()])
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == list(range(sum(SIZES)))


def test_shards_are_tokenized_when_they_are_needed_and_once(tmp_path, tasks, monkeypatch):
    write_shards(tmp_path / "shards", [5] * 40)  # a window of 40 rows
    first = next(iter(make(tmp_path, tasks).train_dataloader()))
    assert len(list((tmp_path / "tokens").iterdir())) == 8
    monkeypatch.setattr(TextTokenizer, "tokenize_labeled", None)
    assert equal(first, next(iter(make(tmp_path, tasks).train_dataloader())))


def test_shards_come_again_after_the_cache_dropped_their_tokens(tmp_path, tasks):
    write_shards(tmp_path / "shards", SIZES)
    data, small = make(tmp_path, tasks, cache=False), make(tmp_path, tasks, limit_gb=1e-9)
    assert all(equal(*pair) for pair in zip(data.train_dataloader(), small.train_dataloader(), strict=True))
    assert len(list((tmp_path / "tokens").iterdir())) <= 1


@pytest.mark.slow
def test_shard_batches_are_the_same_with_workers(tmp_path, tasks):
    write_shards(tmp_path / "shards", SIZES)
    plain, ahead = (list(make(tmp_path, tasks, workers=workers).train_dataloader()) for workers in (0, 2))
    assert all(equal(*pair) for pair in zip(plain, ahead, strict=True))


def test_shard_sample_is_some_sentences_of_several_shards(tmp_path, tasks, monkeypatch):
    monkeypatch.setattr("polyhead.data.tokenized_shards.SAMPLE", 40)
    write_shards(tmp_path / "shards", [50, 7, 90, 30, 30])
    data = make(tmp_path, tasks)
    sample, split = data.split("train"), whole(data, tasks)
    assert len(sample) == 10 + 7 + 10 + 10
    assert equal(sample[[0, 10, 36]], split[[0, 50, 206]])


def test_shards_tell_once_what_was_read_of_them(tmp_path, tasks, caplog):
    write_shards(tmp_path / "shards", SIZES)
    content = [row | {"sentiment": None} for row in rows(12)]
    content[0]["text"] = ""
    content[1]["category"] = "News"
    for name in range(3):
        write_shard(tmp_path / "shards" / f"part-{name}.parquet", content)
    data = make(tmp_path, tasks, min_class_count=14)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "polyhead.data"):
        for _ in range(2):
            list(data.train_dataloader())
    counts = {label: 3 * sum(row["category"] == label for row in content[1:]) for label in tasks[0].labels}
    rare = sorted((label for label in counts if counts[label] < 14), key=counts.__getitem__)
    assert [record.getMessage() for record in caplog.records] == [
        "train: 3 of 36 rows without a text left out",
        "sentiment: no train row that was read has a label",
        f"category: {len(rare)} classes with under 14 of the train rows that were read: "
        + ", ".join(f"{label} {counts[label]}" for label in rare),
    ]


def test_shards_name_the_row_of_an_unknown_label_and_a_shard_without_text(tmp_path, tasks):
    paths = write_shards(tmp_path / "shards", SIZES)
    content = rows(7)
    content[4]["category"] = "Poem"
    write_shard(paths[1], content)
    with pytest.raises(UserError, match=r"part-1\.parquet row 5: category: .*Poem"):
        list(make(tmp_path, tasks).train_dataloader())
    write_shard(paths[1], [row | {"text": " "} for row in rows(7)])
    with pytest.raises(UserError, match=r"part-1\.parquet: no row has a text"):
        list(make(tmp_path, tasks).train_dataloader())


def test_shards_stay_open_up_to_a_number(tmp_path, tasks, monkeypatch):
    monkeypatch.setattr("polyhead.data.tokenized_shards._OPEN", 2)
    write_shards(tmp_path / "shards", [20] * 5)
    data = make(tmp_path, tasks)
    split = whole(data, tasks)
    assert all(equal(batch, split[batch.rows.tolist()]) for batch in data.train_dataloader())
    assert len(data.shards._open) == 2
    assert np.array_equal(data.shards.starts, [0, 20, 40, 60, 80, 100])
