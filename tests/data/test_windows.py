"""Windows of long texts, against those that tokenizers itself makes."""

import numpy as np
import pytest
import torch
from support.fakes import WORDS, FakeSource, word_tokenizer

from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.data.windows import cut_windows

LIMIT = 10  # tokens of a window: 8 words, of which it shares 2 with the next
TEXTS = [" ".join(WORDS[:length]) for length in (0, 1, 7, 8, 9, 14, 15, 20, 21, 60)]
SETTINGS = LoaderSettings(batch_size=4, evaluation_batch_size=8, bucket_batches=2, seed=0, workers=0)


def windows_of(sentences):
    rows = sentences.as_windows()
    return [row.tolist() for row in np.split(rows.ids, rows.offsets[1:-1])]


def overflowing(text, side="right", limit=LIMIT, overlap=2):
    tokenizer = word_tokenizer()
    tokenizer.truncation_side = side
    options = {"max_length": limit, "stride": overlap, "return_overflowing_tokens": True}
    return tokenizer(text, truncation=True, **options)["input_ids"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_windows_are_those_of_the_tokenizer(side):
    tokenizer = word_tokenizer()
    tokenizer.truncation_side = side
    found = TextTokenizer(tokenizer, LIMIT, windows=100).tokenize(TEXTS)
    expected = [overflowing(text, side) for text in TEXTS]
    assert windows_of(found) == [window for windows in expected for window in windows]
    assert found.windows.tolist() == [len(windows) for windows in expected]
    assert (len(found), found.truncated) == (len(TEXTS), 0)


def test_windows_of_short_texts_are_the_texts_as_they_are_cut_off():
    short = TEXTS[:4]
    found, cut = (
        TextTokenizer(word_tokenizer(), LIMIT, windows=3).tokenize(short),
        TextTokenizer(word_tokenizer(), LIMIT),
    )
    assert found.as_windows() is found
    np.testing.assert_array_equal(found.ids, cut.tokenize(short).ids)
    np.testing.assert_array_equal(found.offsets, cut.tokenize(short).offsets)


def test_windows_above_the_most_are_left_out_and_counted():
    found = TextTokenizer(word_tokenizer(), LIMIT, windows=2).tokenize(TEXTS)
    assert windows_of(found) == [window for text in TEXTS for window in overflowing(text)[:2]]
    assert found.truncated == sum(len(overflowing(text)) > 2 for text in TEXTS) > 0


def test_each_window_begins_with_the_prompt():
    found = TextTokenizer(word_tokenizer(), LIMIT + 2, "w8 w9 ", windows=100).tokenize(TEXTS)
    expected = [[w[0], 12, 13, *w[1:]] for text in TEXTS for w in overflowing(text)]  # ids 12 and 13 are w8 and w9
    assert windows_of(found) == expected


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 1), (3, 1)])
def test_windows_hold_every_token_in_order(before, after):
    for length in range(40):
        ids = [*range(-before, 0), *range(length), *range(100, 100 + after)]
        found, cut = cut_windows(ids, before, after, limit=before + after + 5, most=50)
        assert not cut
        assert sorted({token for token in found if 0 <= token < 100}) == list(range(length))


def test_tokenizer_tells_windows_and_cut_texts_apart_in_caches():
    settings = [TextTokenizer(word_tokenizer(), LIMIT, windows=count).settings() for count in (1, 2, 3)]
    assert len(set(settings)) == 3


def test_token_cache_does_not_confuse_windows_with_cut_texts(tmp_path, tasks):
    class Stored(FakeSource):
        def fingerprint(self, split):
            return split

    def tokens(windows):
        tokenizer = TextTokenizer(word_tokenizer(), 5, windows=windows)
        cache = TokenCache(str(tmp_path), 1)
        data = SentenceData(Stored({"train": 30}), tasks, tokenizer, SETTINGS, token_cache=cache)
        return data.split("train").sentences

    cut, whole = tokens(1), tokens(9)
    for again, first in ((tokens(1), cut), (tokens(9), whole)):
        assert (len(again.ids), again.window) == (len(first.ids), first.window)
        np.testing.assert_array_equal(again.windows, first.windows)
    assert len(whole.ids) > len(cut.ids)


def test_batch_has_a_row_for_each_window():
    split = TokenizedSplit(TextTokenizer(word_tokenizer(), LIMIT, windows=100).tokenize(TEXTS), padding=0)
    batch = split[[9, 0, 6]]
    expected = [window for row in (9, 0, 6) for window in overflowing(TEXTS[row])]
    assert len(batch) == 3
    assert batch.windows.tolist() == [len(overflowing(TEXTS[row])) for row in (9, 0, 6)]
    assert batch.lengths.tolist() == [len(window) for window in expected]
    for ids, mask, window in zip(batch.input_ids, batch.attention_mask, expected, strict=True):
        assert ids[mask.bool()].tolist() == window
    assert torch.equal(batch.to("cpu").windows, batch.windows)
    assert split[[0, 3]].windows is None


def test_texts_with_more_windows_than_allowed_are_told(caplog, tasks):
    def told(windows):
        caplog.clear()
        source = FakeSource({"train": 30, "validation": 9})
        SentenceData(source, tasks, TextTokenizer(word_tokenizer(), 5, windows=windows), SETTINGS).split("train")
        return [message for message in caplog.messages if "cut to" in message]

    (line,) = told(1)
    assert line.endswith("train sentences cut to 5 tokens; encoder.long=windows reads all")
    (line,) = told(2)
    assert line.endswith("train sentences cut to 2 windows of 5 tokens; encoder.windows=N reads more")
    assert told(20) == []
