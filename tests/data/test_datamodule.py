import logging

import numpy as np
import pytest
import torch
from support.fakes import WORDS, FakeSentence, FakeSource, word_tokenizer

from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import tokenize
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.errors import UserError
from polyhead.tasks import MISSING, Task

SIZES = {"train": 50, "validation": 20, "test": 20}


def data(tasks, max_length=16, batch_size=8, workers=0, **source):
    batching = LoaderSettings(batch_size=batch_size, evaluation_batch_size=7, bucket_batches=4, seed=0, workers=workers)
    return SentenceData(FakeSource(**{"sizes": SIZES} | source), tasks, word_tokenizer(), max_length, batching)


@pytest.mark.slow
def test_workers_give_the_same_batches(tasks):
    plain, ahead = (list(data(tasks, workers=workers).train_dataloader()) for workers in (0, 2))
    assert len(plain) == len(ahead)
    assert all(torch.equal(one.input_ids, other.input_ids) for one, other in zip(plain, ahead, strict=True))


def test_rows_come_in_the_order_asked_for(tasks):
    split = data(tasks).split("train")
    one, two = split[[7, 3]], split[[3, 7]]
    assert torch.equal(one.input_ids.flip(0), two.input_ids)
    assert torch.equal(one.labels["category"].flip(0), two.labels["category"])


def test_labels_are_class_indices_and_missing_ones_are_marked(tasks):
    split = data(tasks, unlabelled={"sentiment": 5}).split("train")
    labels = split[[0, 1, 2, 3]].labels
    assert labels["category"].tolist() == [0, 1, 2, 0]
    assert labels["sentiment"].tolist() == [MISSING, 0, 0, 1]


def test_a_task_that_the_source_knows_nothing_of_is_missing_everywhere(tasks):
    split = data([*tasks, Task("topic", ("a", "b"))]).split("train")
    assert (split.labels["topic"] == MISSING).all()


def test_long_sentences_are_cut_and_counted(tasks, caplog):
    long = data(tasks, max_length=5)
    with caplog.at_level(logging.WARNING):
        split = long.split("train")
    words = np.array([len(sentence.text.split()) for sentence in long.source.sentences("train")])
    assert split.lengths.max() == 5
    assert split[[8]].input_ids[0, -1] == 3  # the closing token survives
    assert f"{(words + 2 > 5).sum()} of 50 train sentences cut to 5 tokens" in caplog.text


def test_an_unknown_label_is_refused(tasks):
    with pytest.raises(UserError, match="tasks.category: unknown label 'Ode'"):
        data(tasks, categories=("Quote", "Ode")).split("train")


def test_an_empty_split_is_refused(tasks):
    with pytest.raises(UserError, match="the validation split is empty"):
        data(tasks, sizes={**SIZES, "validation": 0}).split("validation")


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_loaders_give_every_row_once(tasks, split):
    loader = getattr(data(tasks), f"{split}_dataloader")()
    rows = sum(len(batch) for batch in loader)
    assert rows == SIZES[{"val": "validation"}.get(split, split)]
    assert len(list(loader)) == len(loader)


def test_a_split_is_tokenised_once(tasks):
    module = data(tasks)
    assert module.split("train") is module.split("train")


def test_many_sentences_come_through_in_order(tasks):
    texts = [FakeSentence(WORDS[i % 90], {}) for i in range(10_000)]
    split, truncated = tokenize(iter(texts), tasks, word_tokenizer(), 16)
    assert truncated == 0
    assert (split.tokens.reshape(-1, 3)[:, 1] == np.arange(10_000) % 90 + 4).all()


def test_a_batch_moves_whole(tasks):
    batch = data(tasks).split("train")[[0, 8]].to("meta")
    assert batch.input_ids.is_meta
    assert batch.attention_mask.is_meta
    assert all(labels.is_meta for labels in batch.labels.values())


class Kept(FakeSource):
    """A source whose tokens are worth keeping."""

    def fingerprint(self, split):
        return f"{self.sizes} {split}"

    def size(self, split):
        return self.sizes[split]


def stored(tasks, store, max_length=16, sizes=SIZES):
    batching = LoaderSettings(batch_size=8, evaluation_batch_size=7, bucket_batches=4, seed=0, workers=0)
    return SentenceData(Kept(sizes), tasks, word_tokenizer(), max_length, batching, store=store)


def test_tokens_are_kept_for_the_next_run(tmp_path, tasks, monkeypatch):
    store = TokenCache(str(tmp_path), 1)
    fresh, first = data(tasks).split("train"), stored(tasks, store).split("train")
    monkeypatch.setattr("polyhead.data.datamodule.token_chunks", lambda *_: pytest.fail("tokenised again"))
    again = stored(tasks, store).split("train")
    for split in (first, again):
        for ours, theirs in zip(split[[0, 7, 31]].labels.values(), fresh[[0, 7, 31]].labels.values(), strict=True):
            assert torch.equal(ours, theirs)
        assert torch.equal(split[[0, 7, 31]].input_ids, fresh[[0, 7, 31]].input_ids)
    assert isinstance(again.tokens, np.memmap)


@pytest.mark.parametrize("change", ["length", "sentences", "tasks", "split"])
def test_they_are_not_taken_for_others(tmp_path, tasks, change):
    store = TokenCache(str(tmp_path), 1)
    stored(tasks, store).split("train")
    other = {
        "length": lambda: stored(tasks, store, max_length=5),
        "sentences": lambda: stored(tasks, store, sizes=SIZES | {"train": 51}),
        "tasks": lambda: stored([Task("category", ("News", "Quote", "Riddle")), tasks[1]], store),
        "split": lambda: stored(tasks, store),
    }[change]()
    other.split("validation" if change == "split" else "train")
    assert len(store.entries()) == 2


def test_odd_texts_come_through(tasks, caplog):
    texts = ["w1 \0 w2", "🦜🦜🏽", "שלום w3", "w4 " * 30_000, "w5\nw6\u2028w7", "\u200b"]
    with caplog.at_level(logging.WARNING):
        split, truncated = tokenize([FakeSentence(text, {}) for text in texts], tasks, word_tokenizer(), 16)
    assert len(split) == len(texts)
    assert truncated == 1
    assert split.lengths.max() == 16
    assert split.lengths.min() >= 2
    assert len(split[list(range(6))]) == 6


def test_what_a_tokenizer_was_used_for_before_changes_nothing(tmp_path, tasks):
    store = TokenCache(str(tmp_path), 1)
    for length in (16, 5):
        module = stored(tasks, store)
        module.tokenizer(["w1 w2"], truncation=True, padding=True, max_length=length)
        module.split("train")
    assert len(store.entries()) == 1
