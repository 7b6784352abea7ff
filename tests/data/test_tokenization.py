from itertools import chain

from support.fakes import word_tokenizer

from polyhead.data import tokenization as tokenisation
from polyhead.data.tokenization import token_ids

TEXTS = ["w1 w2", "", "w3 w4 w5 w6 w7 w8", "w1"]


def test_each_text_lies_between_its_offsets(monkeypatch):
    monkeypatch.setattr(tokenisation, "CHUNK", 3)
    tokenizer = word_tokenizer()
    found = token_ids(iter(TEXTS), tokenizer, max_length=16)
    parts = [found.ids[start:end].tolist() for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert parts == [tokenizer(text)["input_ids"] for text in TEXTS]
    assert found.truncated == 0


def test_what_is_too_long_is_cut_as_the_tokenizer_cuts_it_and_counted():
    tokenizer = word_tokenizer()
    tokenizer(TEXTS, padding="max_length", max_length=9)  # what was asked of it before does not matter
    found = token_ids(TEXTS, tokenizer, max_length=5)
    assert found.ids.tolist() == [*chain.from_iterable(tokenizer(TEXTS, truncation=True, max_length=5)["input_ids"])]
    assert max(found.offsets[1:] - found.offsets[:-1]) == 5
    assert found.truncated == 1


def test_no_texts_are_no_tokens():
    found = token_ids([], word_tokenizer(), max_length=5)
    assert found.offsets.tolist() == [0]
    assert found.ids.shape == (0,)
