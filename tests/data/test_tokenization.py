from itertools import chain

import numpy as np
import pytest
from support.fakes import FakeSentence, word_tokenizer

from polyhead.data import tokenization
from polyhead.data.tokenization import TextTokenizer
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import UserError
from polyhead.tasks import MISSING, Task

TEXTS = ["w1 w2", "", "w3 w4 w5 w6 w7 w8", "w1"]
ODD_TEXTS = ["w1 \0 w2", "🦜🦜🏽", "שלום w3", "w4 " * 30_000, "w5\nw6\u2028w7", "\u200b"]
TONE = Task("tone", ("glad", "sad"))


def sentences_of(tokens):
    """Return the ids of each sentence as a list."""
    return [ids.tolist() for ids in np.split(tokens.ids, tokens.offsets[1:-1])]


@pytest.mark.parametrize("chunk", [1, 3, 4096])
def test_tokenizer_gives_each_text_the_ids_that_a_call_gives_it(monkeypatch, chunk):
    monkeypatch.setattr(tokenization, "CHUNK", chunk)
    found = TextTokenizer(word_tokenizer(), 16).tokenize(iter(TEXTS))
    assert sentences_of(found) == word_tokenizer()(TEXTS)["input_ids"]
    assert len(found) == len(TEXTS)
    assert found.lengths.tolist() == [4, 2, 8, 3]
    assert found.truncated == 0


@pytest.mark.parametrize("side", ["left", "right"])
def test_tokenizer_cuts_long_texts_as_a_call_does_and_counts_them(side):
    tokenizer = word_tokenizer()
    tokenizer.truncation_side = side
    found = TextTokenizer(tokenizer, 5).tokenize(TEXTS)
    expected = tokenizer(TEXTS, truncation=True, max_length=5)["input_ids"]
    assert found.ids.tolist() == [*chain.from_iterable(expected)]
    assert found.lengths.max() == 5
    assert found.truncated == 1


def test_tokenizer_leaves_the_one_it_was_given_as_it_is():
    tokenizer = word_tokenizer()
    options = {"padding": "max_length", "truncation": True, "max_length": 6}
    before = (tokenizer(TEXTS), tokenizer(TEXTS, **options), tokenizer.backend_tokenizer.to_str())
    TextTokenizer(tokenizer, 3).tokenize(TEXTS)
    assert tokenizer.backend_tokenizer.to_str() == before[2]
    assert (tokenizer(TEXTS).data, tokenizer(TEXTS, **options).data) == (before[0].data, before[1].data)


def test_tokenizer_does_not_mind_other_uses_of_the_one_it_was_given():
    tokenizer = word_tokenizer()
    tokenizer(TEXTS, padding="max_length", truncation=True, max_length=9)
    ours = TextTokenizer(tokenizer, 5)
    first = ours.tokenize(TEXTS)
    tokenizer(TEXTS, padding=True, truncation=True, max_length=3)
    for again in (ours.tokenize(TEXTS), TextTokenizer(word_tokenizer(), 5).tokenize(TEXTS)):
        assert sentences_of(again) == sentences_of(first)


def test_tokenizer_takes_odd_texts():
    found = TextTokenizer(word_tokenizer(), 16).tokenize(ODD_TEXTS)
    assert len(found) == len(ODD_TEXTS)
    assert found.truncated == 1
    assert found.lengths.max() == 16
    assert found.lengths.min() >= 2


def test_tokenizer_makes_no_tokens_of_no_texts():
    found = TextTokenizer(word_tokenizer(), 5).tokenize([])
    assert len(found) == 0
    assert found.offsets.tolist() == [0]
    assert found.ids.shape == (0,)


def test_labeled_sentences_get_class_indices_and_unlabeled_ones_a_mark(monkeypatch):
    monkeypatch.setattr(tokenization, "CHUNK", 2)
    given = [
        FakeSentence(text, {"tone": label}) for text, label in zip(TEXTS, ["sad", None, "glad", "sad"], strict=True)
    ]
    chunks = list(TextTokenizer(word_tokenizer(), 5).tokenize_labeled(iter(given), [TONE]))
    assert [len(chunk) for chunk in chunks] == [2, 2]
    joined = TokenizedSentences.concatenate(chunks, ["tone"])
    assert joined.labels["tone"].tolist() == [1, MISSING, 0, 1]
    assert joined.truncated == 1
    assert sentences_of(joined) == sentences_of(TextTokenizer(word_tokenizer(), 5).tokenize(TEXTS))


def test_labeled_sentences_are_read_as_they_are_needed(monkeypatch):
    monkeypatch.setattr(tokenization, "CHUNK", 10)
    read = []

    def sentences():
        for number in range(50):
            read.append(number)
            yield FakeSentence("w1", {})

    next(TextTokenizer(word_tokenizer(), 16).tokenize_labeled(sentences(), []))
    assert len(read) == 10


def test_labeled_sentences_of_an_unknown_label_are_refused():
    chunks = TextTokenizer(word_tokenizer(), 16).tokenize_labeled([FakeSentence("w1", {"tone": "gald"})], [TONE])
    with pytest.raises(UserError, match="tasks.tone: unknown label 'gald'; did you mean 'glad'"):
        list(chunks)


def test_sentences_are_joined_in_order_with_their_labels():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 9, size=20)
    ids = random.integers(0, 30_000, size=lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    labels = {"tone": random.integers(0, 2, size=20).astype(np.int32), "unasked": np.zeros(20, np.int32)}
    whole = TokenizedSentences(ids, offsets, labels, truncated=3)
    for cut in (0, 7, 20):
        left = TokenizedSentences(
            ids[: offsets[cut]], offsets[: cut + 1], {name: column[:cut] for name, column in labels.items()}, 1
        )
        right = TokenizedSentences(
            ids[offsets[cut] :],
            offsets[cut:] - offsets[cut],
            {name: column[cut:] for name, column in labels.items()},
            2,
        )
        joined = TokenizedSentences.concatenate([left, right], ["tone"])
        assert sentences_of(joined) == sentences_of(whole)
        assert joined.labels.keys() == {"tone"}
        assert np.array_equal(joined.labels["tone"], labels["tone"])
        assert joined.truncated == 3


def test_sentences_of_no_parts_are_none():
    empty = TokenizedSentences.concatenate([], ["tone"])
    assert len(empty) == 0
    assert empty.labels["tone"].shape == (0,)


def test_tokenizer_puts_its_prompt_before_each_text_and_counts_its_tokens():
    found = TextTokenizer(word_tokenizer(), 5, "w8 w9 ").tokenize(TEXTS)
    expected = TextTokenizer(word_tokenizer(), 5).tokenize("w8 w9 " + text for text in TEXTS)
    assert sentences_of(found) == sentences_of(expected)
    assert found.lengths.max() == 5
