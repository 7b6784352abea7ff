import torch
from support.fakes import WORDS, FakeSentence, word_tokenizer

from polyhead.data.dataset import tokenize


def test_a_batch_is_what_the_tokenizer_pads(tasks):
    texts = [" ".join(WORDS[: n + 1]) for n in (3, 0, 5)]
    split, _ = tokenize([FakeSentence(text, {}) for text in texts], tasks, word_tokenizer(), 16)
    expected = word_tokenizer()(texts, padding=True, return_tensors="pt")
    batch = split[[0, 1, 2]]
    assert torch.equal(batch.input_ids, expected["input_ids"])
    assert torch.equal(batch.attention_mask, expected["attention_mask"])
    assert split.lengths.tolist() == [6, 3, 8]


def test_without_padding_there_is_no_mask(tasks):
    split, _ = tokenize([FakeSentence("w1 w2", {})] * 3, tasks, word_tokenizer(), 16)
    assert split[[0, 1, 2]].attention_mask is None
