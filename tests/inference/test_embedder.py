import tracemalloc

import numpy as np
import pytest
import torch
from support.fakes import WORDS, word_tokenizer

from polyhead.data.tokenization import TextTokenizer
from polyhead.inference import text_runner
from polyhead.inference.embedder import Embedder


def make(make_encoder, precision="32-true", max_length=16):
    return Embedder(make_encoder(), TextTokenizer(word_tokenizer(), max_length), precision, torch.device("cpu"))


def texts(count):
    return [" ".join(WORDS[(7 * i + j) % 90] for j in range(i % 13)) for i in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_embedder_keeps_the_order_of_the_texts_whatever_the_chunk(make_encoder, monkeypatch, chunk):
    monkeypatch.setattr(text_runner, "CHUNK", chunk)
    ours = make(make_encoder)
    found = np.concatenate(list(ours.embed(iter(texts(60)))))
    alone = [ours.encoder(torch.tensor([word_tokenizer()(text)["input_ids"]]))[0] for text in texts(60)]
    np.testing.assert_allclose(found, torch.stack(alone).numpy(), atol=1e-5)


def test_embedder_gives_the_same_on_several_cores_as_on_one(make_encoder):
    ours = make(make_encoder)
    found = {}
    for streams in (1, 4):
        ours.runner.streams = streams
        found[streams] = next(ours.embed(texts(400)))
    np.testing.assert_allclose(found[4], found[1], atol=1e-6)


def test_embedder_in_half_precision_is_close(make_encoder):
    torch.manual_seed(0)
    whole = next(make(make_encoder).embed(texts(50)))
    torch.manual_seed(0)
    half = next(make(make_encoder, "bf16-mixed").embed(texts(50)))
    assert half.dtype == np.float32
    cosines = torch.cosine_similarity(torch.from_numpy(whole), torch.from_numpy(half))
    assert 0.999 < cosines.min() < 1


def test_embedder_counts_the_texts_it_cut(make_encoder):
    ours = make(make_encoder, max_length=8)
    list(ours.embed(texts(26)))
    assert ours.truncated == sum(len(text.split()) > 6 for text in texts(26))


def test_embedder_of_no_texts_yields_no_chunks(make_encoder):
    assert list(make(make_encoder).embed([])) == []


@pytest.mark.slow
def test_embedder_needs_no_more_memory_for_more_texts(make_encoder, monkeypatch):
    monkeypatch.setattr(text_runner, "CHUNK", 200)

    def peak(count):
        ours = make(make_encoder)
        tracemalloc.start()
        for _ in ours.embed(text for _ in range(count // 100) for text in texts(100)):
            pass
        (_, most), _ = tracemalloc.get_traced_memory(), tracemalloc.stop()
        return most

    peak(400)
    assert peak(8000) < 3 * peak(800)  # ten times the texts; the collector's timing alone may double it
