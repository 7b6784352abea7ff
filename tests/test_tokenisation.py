from fakes import word_tokenizer

from polyhead import tokenisation
from polyhead.tokenisation import token_ids

TEXTS = ["w1 w2", "", "w3 w4 w5 w6 w7 w8", "w1"]


def test_each_text_lies_between_its_offsets(monkeypatch):
    monkeypatch.setattr(tokenisation, "CHUNK", 3)
    tokenizer = word_tokenizer()
    found = token_ids(iter(TEXTS), tokenizer, max_length=16)
    parts = [found.ids[start:end].tolist() for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert parts == [tokenizer(text)["input_ids"] for text in TEXTS]
    assert found.truncated == 0


def test_what_is_too_long_is_cut_and_counted():
    found = token_ids(TEXTS, word_tokenizer(), max_length=5)
    assert max(found.offsets[1:] - found.offsets[:-1]) == 5
    assert found.truncated == 1


def test_no_texts_are_no_tokens():
    found = token_ids([], word_tokenizer(), max_length=5)
    assert found.offsets.tolist() == [0]
    assert found.ids.shape == (0,)
