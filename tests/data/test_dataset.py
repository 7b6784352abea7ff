import numpy as np
import pytest
import torch
from support.fakes import WORDS, word_tokenizer

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenization import TextTokenizer

TEXTS = [" ".join(WORDS[: n + 1]) for n in (3, 0, 5)]


def split_of(texts):
    return TokenizedSplit(TextTokenizer(word_tokenizer(), 16).tokenize(texts), padding=0)


def test_split_pads_a_batch_as_the_tokenizer_does():
    split = split_of(TEXTS)
    expected = word_tokenizer()(TEXTS, padding=True, return_tensors="pt")
    batch = split[[0, 1, 2]]
    assert torch.equal(batch.input_ids, expected["input_ids"])
    assert torch.equal(batch.attention_mask, expected["attention_mask"])
    assert split.lengths.tolist() == [6, 3, 8]


def test_split_fills_up_with_its_padding_token():
    split = TokenizedSplit(split_of(TEXTS).sentences, padding=7)
    batch = split[[0, 1, 2]]
    assert (batch.input_ids[batch.attention_mask == 0] == 7).all()


def test_split_gives_no_mask_if_nothing_is_padded():
    assert split_of(["w1 w2"] * 3)[[0, 1, 2]].attention_mask is None


def test_split_batches_know_their_rows():
    assert split_of(TEXTS)[[2, 0]].rows.tolist() == [2, 0]


def test_split_without_stored_activations_says_so():
    batch = split_of(TEXTS)[[0, 1]]
    assert (batch.activations, batch.depth) == (None, 0)


def test_split_gives_each_sentence_its_stored_embedding():
    split = split_of(TEXTS)
    split.activations, split.depth = torch.arange(6.0).reshape(3, 2), None
    batch = split[[2, 0]]
    assert batch.depth is None
    assert batch.activations.tolist() == [[4.0, 5.0], [0.0, 1.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_split_gives_each_token_its_stored_state_and_padding_zeros(dtype):
    split = split_of(TEXTS)
    ids = torch.from_numpy(split.sentences.ids)
    split.activations, split.depth = torch.stack([ids, -ids], dim=1).to(dtype), 2
    batch = split[[1, 2]]
    assert batch.depth == 2
    assert batch.activations.dtype == dtype
    expected = (batch.input_ids * batch.attention_mask).to(dtype)
    assert torch.equal(batch.activations, torch.stack([expected, -expected], dim=2))


def test_split_takes_rows_in_any_order():
    split = split_of(TEXTS)
    order = np.array([2, 0, 1])
    one, other = split[[0, 1, 2]], split[order.tolist()]
    assert torch.equal(one.input_ids[order], other.input_ids)
