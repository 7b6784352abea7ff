import numpy as np
import torch
from support.fakes import FakeSource, word_tokenizer

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.loader import TrainingLoader
from polyhead.data.samplers import LengthGroupedBatchSampler
from polyhead.data.tokenization import TextTokenizer


def loader(done):
    texts = (sentence.text for sentence in FakeSource({"train": 50}).sentences("train"))
    split = TokenizedSplit(TextTokenizer(word_tokenizer(), 16).tokenize(texts), padding=0)
    return TrainingLoader(split, LengthGroupedBatchSampler(split.lengths, 8, 2, 0, True), lambda: done)


def test_training_loader_continues_within_an_epoch_and_then_gives_whole_epochs():
    whole = [batch.input_ids for batch in loader(0)]
    resumed = loader(0)
    resumed.load_state_dict(loader(3).state_dict())
    rest, after = [batch.input_ids for batch in resumed], [batch.input_ids for batch in resumed]
    assert len(rest) == len(whole) - 3
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[3:], strict=True))
    assert all(torch.equal(one, other) for one, other in zip(after, whole, strict=True))


def test_training_loader_begins_a_whole_epoch_after_the_last_batch():
    assert len(loader(0)) == 7
    assert [loader(done).state_dict() for done in (0, 6, 7)] == [{"batches": 0}, {"batches": 6}, {"batches": 0}]


def test_training_loader_of_no_sentences_has_no_batches_to_skip():
    empty = LengthGroupedBatchSampler(np.zeros(0), 8, 2, 0, True)
    assert TrainingLoader([], empty, lambda: 0).state_dict() == {"batches": 0}
