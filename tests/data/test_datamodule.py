import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.fakes import FakeSource, word_tokenizer

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.errors import UserError
from polyhead.tasks import MISSING, Task

SIZES = {"train": 50, "validation": 20, "test": 20}


SETTINGS = LoaderSettings(batch_size=8, evaluation_batch_size=7, bucket_batches=4, seed=0, workers=0)


def data(tasks, max_length=16, workers=0, **source):
    settings = replace(SETTINGS, workers=workers)
    return SentenceData(
        FakeSource(**{"sizes": SIZES} | source), tasks, TextTokenizer(word_tokenizer(), max_length), settings
    )


@pytest.mark.slow
def test_data_gives_the_same_batches_with_workers(tasks):
    plain, ahead = (list(data(tasks, workers=workers).train_dataloader()) for workers in (0, 2))
    assert all(torch.equal(one.input_ids, other.input_ids) for one, other in zip(plain, ahead, strict=True))


def test_split_gives_rows_in_the_order_of_the_list(tasks):
    split = data(tasks).split("train")
    one, two = split[[7, 3]], split[[3, 7]]
    assert torch.equal(one.input_ids.flip(0), two.input_ids)
    assert torch.equal(one.labels["category"].flip(0), two.labels["category"])


def test_split_labels_are_class_indices_and_missing_ones_are_marked(tasks):
    split = data(tasks, unlabelled={"sentiment": 5}).split("train")
    labels = split[[0, 1, 2, 3]].labels
    assert labels["category"].tolist() == [0, 1, 2, 0]
    assert labels["sentiment"].tolist() == [MISSING, 0, 0, 1]


def test_split_has_no_labels_of_a_task_that_the_source_does_not_know(tasks):
    split = data([*tasks, Task("topic", ("a", "b"))]).split("train")
    assert (split.labels["topic"] == MISSING).all()


def test_split_cuts_long_sentences_and_counts_them(tasks, caplog):
    long = data(tasks, max_length=5)
    with caplog.at_level(logging.WARNING):
        split = long.split("train")
    words = np.array([len(sentence.text.split()) for sentence in long.source.sentences("train")])
    assert split.lengths.max() == 5
    assert split[[8]].input_ids[0, -1] == 3  # the closing token survives
    assert f"{(words + 2 > 5).sum()} of 50 train sentences cut to 5 tokens" in caplog.text


def test_split_refuses_an_unknown_label(tasks):
    with pytest.raises(UserError, match="tasks.category: unknown label 'Ode'"):
        data(tasks, categories=("Quote", "Ode")).split("train")


def test_split_refuses_to_be_empty(tasks):
    with pytest.raises(UserError, match="the validation split is empty"):
        data(tasks, sizes={**SIZES, "validation": 0}).split("validation")


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_loaders_give_every_row_once(tasks, split):
    loader = getattr(data(tasks), f"{split}_dataloader")()
    rows = sum(len(batch) for batch in loader)
    assert rows == SIZES[{"val": "validation"}.get(split, split)]
    assert len(list(loader)) == len(loader)


def test_split_is_tokenized_once(tasks):
    module = data(tasks)
    assert module.split("train") is module.split("train")


def test_evaluation_loader_gives_any_split_in_one_order_longest_sentences_first(tasks):
    module = data(tasks, sizes={**SIZES, "news": 30})
    first, again = (list(module.evaluation_loader("news")) for _ in range(2))
    rows = [row for batch in first for row in batch.rows.tolist()]
    assert sorted(rows) == list(range(30))
    assert [batch.rows.tolist() for batch in again] == [batch.rows.tolist() for batch in first]
    lengths = module.split("news").lengths[rows]
    assert (np.diff(lengths) <= 0).all()
    assert max(len(batch) for batch in first) == SETTINGS.evaluation_batch_size


def test_evaluation_loader_leaves_the_test_set_of_the_data_alone(tasks):
    module = data(tasks, sizes={**SIZES, "news": 30})
    before = [batch.input_ids for batch in module.test_dataloader()]
    list(module.evaluation_loader("news"))
    after = [batch.input_ids for batch in module.test_dataloader()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_data_moves_a_batch_whole(tasks):
    batch = data(tasks).split("train")[[0, 8]]
    moved = data(tasks).transfer_batch_to_device(batch, torch.device("meta"), 0)
    tensors = [moved.input_ids, moved.attention_mask, moved.rows, *moved.labels.values()]
    assert all(tensor.is_meta for tensor in tensors)


def test_data_leaves_the_tokenizer_as_it_is(tasks):
    module = data(tasks, max_length=5)
    before = module.tokenizer("w1 w2 w3 w4 w5 w6")["input_ids"]
    module.split("train")
    assert module.tokenizer("w1 w2 w3 w4 w5 w6")["input_ids"] == before
    assert len(before) == 8


class Activations:
    """Counts how often it is asked; gives splits a number that says which answer they got."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return None if self.asked == 3 else self.attach

    def attach(self, split, name):
        split.activations, split.depth = torch.full((len(split), 1), float(self.asked)), None


def test_data_asks_for_activations_once_and_again_on_refreshing(tasks):
    module, activations = data(tasks), Activations()
    module.activations = activations
    assert [module.split(name).activations[0].item() for name in ("train", "validation")] == [1, 1]
    module.refresh_activations()
    assert [module.split(name).activations[0].item() for name in ("train", "validation", "test")] == [2, 2, 2]
    module.refresh_activations()
    for name in ("train", "validation", "test"):
        assert (module.split(name).activations, module.split(name).depth) == (None, 0)
    assert activations.asked == 3


def test_data_without_activations_stores_none(tasks):
    module = data(tasks)
    module.split("train")
    module.refresh_activations()
    assert module.split("train").activations is None


class FingerprintedSource(FakeSource):
    """A source whose tokens are worth caching."""

    def fingerprint(self, split):
        return f"{self.sizes} {split}"

    def size(self, split):
        return self.sizes[split]


def cached(tasks, cache, max_length=16, sizes=SIZES, prompt=""):
    source = FingerprintedSource(sizes)
    return SentenceData(source, tasks, TextTokenizer(word_tokenizer(), max_length, prompt), SETTINGS, token_cache=cache)


def test_data_reads_the_tokens_of_an_earlier_run(tmp_path, tasks, monkeypatch):
    cache = TokenCache(str(tmp_path), 1)
    fresh, first = data(tasks).split("train"), cached(tasks, cache).split("train")
    monkeypatch.setattr(TextTokenizer, "tokenize_labeled", lambda *_: pytest.fail("tokenized again"))
    again = cached(tasks, cache).split("train")
    for split in (first, again):
        for ours, theirs in zip(split[[0, 7, 31]].labels.values(), fresh[[0, 7, 31]].labels.values(), strict=True):
            assert torch.equal(ours, theirs)
        assert torch.equal(split[[0, 7, 31]].input_ids, fresh[[0, 7, 31]].input_ids)
    assert isinstance(again.sentences.ids, np.memmap)


@pytest.mark.parametrize("change", ["length", "prompt", "sentences", "tasks", "split"])
def test_data_finds_no_tokens_of_another_tokenization(tmp_path, tasks, change):
    cache = TokenCache(str(tmp_path), 1)
    cached(tasks, cache).split("train")
    other = {
        "length": lambda: cached(tasks, cache, max_length=5),
        "prompt": lambda: cached(tasks, cache, prompt="w1 "),
        "sentences": lambda: cached(tasks, cache, sizes=SIZES | {"train": 51}),
        "tasks": lambda: cached([Task("category", ("News", "Quote", "Riddle")), tasks[1]], cache),
        "split": lambda: cached(tasks, cache),
    }[change]()
    other.split("validation" if change == "split" else "train")
    assert len(cache.entries()) == 2


def test_data_finds_its_tokens_whatever_the_tokenizer_was_used_for(tmp_path, tasks):
    cache = TokenCache(str(tmp_path), 1)
    for length in (16, 5):
        module = cached(tasks, cache)
        module.tokenizer(["w1 w2"], truncation=True, padding=True, max_length=length)
        module.split("train")
    assert len(cache.entries()) == 1


def test_data_refuses_fewer_sentences_than_processes(tasks):
    module = data(tasks, sizes={"validation": 1})
    module.trainer = SimpleNamespace(world_size=2, global_rank=1)
    with pytest.raises(UserError, match="^data: 2 processes share 1 validation sentences, and each needs one"):
        module.val_dataloader()


def test_data_balances_the_classes_of_a_task_and_follows_from_the_seed_and_epoch(tasks):
    given = SentenceData(
        FakeSource(sizes=SIZES, unlabelled={"sentiment": 5}),
        tasks,
        TextTokenizer(word_tokenizer(), 16),
        replace(SETTINGS, balance="sentiment"),
    )
    loader = given.train_dataloader()
    rows = torch.cat([batch.rows for batch in loader])
    labels = torch.from_numpy(given.split("train").labels["sentiment"])[rows]
    counts = torch.bincount(labels[labels != MISSING])
    assert len(rows) == SIZES["train"]
    assert counts.max() - counts.min() <= 1
    assert torch.equal(rows, torch.cat([batch.rows for batch in given.train_dataloader()]))
    loader.batches.set_epoch(1)
    assert not torch.equal(rows, torch.cat([batch.rows for batch in loader]))
    evaluated = torch.cat([batch.rows for batch in given.val_dataloader()])
    assert sorted(evaluated.tolist()) == list(range(SIZES["validation"]))


def test_data_tells_sentences_of_equal_token_ids_unless_the_source_told_their_texts(tasks, caplog):
    class Told(FakeSource):
        told = None

        def shared(self, first, second):
            return self.told

    def lines(told):
        source = Told({"train": 9, "validation": 9})
        source.told = told
        source.sentences = lambda split: FakeSource.sentences(source, "train")
        module = SentenceData(source, tasks, TextTokenizer(word_tokenizer(), 16), SETTINGS)
        caplog.clear()
        module.split("train"), module.split("validation")
        return [message.split(" have ")[0] for message in caplog.messages if "same to the encoder" in message]

    assert lines(None) == ["9 of 9 validation sentences"]
    assert lines(np.arange(7)) == ["2 of 9 validation sentences"]
    assert lines(np.arange(9)) == []
