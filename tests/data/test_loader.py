import numpy as np
import torch
from support.fakes import FakeSource, word_tokenizer

from polyhead.data.dataset import tokenize
from polyhead.data.loader import TrainingLoader
from polyhead.data.samplers import LengthGroupedBatchSampler


def loader(tasks, done):
    split, _ = tokenize(FakeSource({"train": 50}).sentences("train"), tasks, word_tokenizer(), 16)
    return TrainingLoader(split, LengthGroupedBatchSampler(split.lengths, 8, 2, 0, True), lambda: done)


def test_it_goes_on_within_an_epoch_and_then_gives_whole_epochs(tasks):
    whole = [batch.input_ids for batch in loader(tasks, 0)]
    resumed = loader(tasks, 0)
    resumed.load_state_dict(loader(tasks, 3).state_dict())
    rest, after = [batch.input_ids for batch in resumed], [batch.input_ids for batch in resumed]
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[3:], strict=True))
    assert all(torch.equal(one, other) for one, other in zip(after, whole, strict=True))


def test_after_the_last_batch_comes_a_whole_epoch(tasks):
    assert loader(tasks, 7).state_dict() == {"batches": 0}
    assert len(loader(tasks, 0)) == 7


def test_no_sentences_have_no_state():
    empty = LengthGroupedBatchSampler(np.zeros(0), 8, 2, 0, True)
    assert TrainingLoader([], empty, lambda: 0).state_dict() == {"batches": 0}
