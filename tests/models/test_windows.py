"""Embeddings of long texts, against the mean over windows computed by hand with transformers."""

import pytest
import torch
from support.fakes import WORDS, word_tokenizer
from torch.nn.functional import normalize

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenization import TextTokenizer
from polyhead.inference.embedder import Embedder
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import IDENTITY, Dense, Normalize
from polyhead.models.windows import pool_windows

LIMIT = 10  # tokens of a window: 8 words, of which it shares 2 with the next
TEXTS = [" ".join(WORDS[first : first + length]) for first, length in ((0, 3), (7, 20), (3, 8), (50, 21), (9, 60))]
TOPS = {"plain": list, "normalized": lambda: [Normalize()], "dense": lambda: [Dense(16, 8, True, IDENTITY)]}


def by_hand(encoder, text):
    """Mean of the embeddings of the windows that tokenizers itself makes, weighted by their tokens."""
    options = {"truncation": True, "max_length": LIMIT, "stride": 2, "return_overflowing_tokens": True}
    windows = word_tokenizer()(text, **options)["input_ids"]
    embeddings = torch.cat([encoder(torch.tensor([window])) for window in windows])
    tokens = torch.tensor([float(len(window)) for window in windows])
    mean = (embeddings * tokens[:, None]).sum(dim=0) / tokens.sum()
    return normalize(mean, dim=0) if encoder.is_normalized and len(windows) > 1 else mean


@pytest.fixture(params=[*TOPS])
def encoder(request, make_encoder):
    return make_encoder(top=TOPS[request.param]()).eval()


def batch_of(rows, windows=100):
    tokens = TextTokenizer(word_tokenizer(), LIMIT, windows=windows).tokenize([TEXTS[row] for row in rows])
    return TokenizedSplit(tokens, padding=0)[list(range(len(rows)))]


def test_embedding_of_a_long_text_is_the_mean_of_its_windows(encoder, tasks):
    expected = torch.stack([by_hand(encoder, text) for text in TEXTS])
    model = MultiTaskModel(encoder, tasks, dropout=0.0).eval()
    torch.testing.assert_close(model.embed(batch_of(range(5))), expected, atol=1e-5, rtol=1e-5)
    tokenizer = TextTokenizer(word_tokenizer(), LIMIT, windows=100)
    (embedded,) = Embedder(encoder, tokenizer, "32-true", torch.device("cpu")).embed(TEXTS)
    torch.testing.assert_close(torch.from_numpy(embedded), expected, atol=1e-5, rtol=1e-5)
    if encoder.is_normalized:
        torch.testing.assert_close(torch.from_numpy(embedded).norm(dim=1), torch.ones(5))


def test_embedding_of_a_long_text_depends_on_no_other_text(encoder, tasks):
    model = MultiTaskModel(encoder, tasks, dropout=0.0).eval()
    alone = torch.cat([model.embed(batch_of([row])) for row in range(5)])
    order = [4, 0, 3, 2, 1]
    torch.testing.assert_close(model.embed(batch_of(order)), alone[order], atol=1e-5, rtol=1e-5)


def test_embedding_of_a_short_text_is_the_same_to_the_last_digit_with_windows(encoder):
    short = [TEXTS[0], TEXTS[2]]
    device = torch.device("cpu")
    cut, whole = (
        next(Embedder(encoder, TextTokenizer(word_tokenizer(), LIMIT, windows=n), "32-true", device).embed(short))
        for n in (1, 100)
    )
    assert (cut == whole).all()


def test_gradients_flow_to_every_window(encoder, tasks):
    model = MultiTaskModel(encoder, tasks, dropout=0.0).eval()
    model.embed(batch_of([4]))[0, 0].backward()
    used = encoder.transformer.get_input_embeddings().weight.grad.norm(dim=1) > 0
    first_word = word_tokenizer()(WORDS[9])["input_ids"][1]
    assert used[first_word : first_word + 60].all()


def test_pooled_windows_of_one_keep_every_digit():
    rows = torch.rand(7, 5)
    pooled = pool_windows(rows, torch.full((7,), 3), torch.ones(7, dtype=torch.long), is_normalized=True)
    assert torch.equal(pooled, rows)
