from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.models import VOCABULARY

from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.inference import length_batches
from polyhead.inference.length_batches import equal_length_batches, inference_copy, run_batches
from polyhead.models.sentence_modules import IDENTITY, Dense, Normalize

LENGTHS = np.random.default_rng(0).integers(2, 30, size=500)


@pytest.mark.parametrize("budget", [1, 64, 2048, 10**6])
def test_equal_length_batches_have_one_length_keep_the_budget_and_cover_every_row_once(budget):
    batches = list(equal_length_batches(LENGTHS, budget))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(LENGTHS)))
    for rows in batches:
        assert len(set(LENGTHS[rows].tolist())) == 1
        assert len(rows) == 1 or LENGTHS[rows].sum() <= budget
    first = [LENGTHS[rows[0]] for rows in batches]
    assert first == sorted(first, reverse=True)


def test_equal_length_batches_of_no_rows_are_none():
    assert list(equal_length_batches(np.zeros(0, dtype=np.int64))) == []


def test_run_batches_gives_each_row_the_values_of_its_own_sentence(make_encoder):
    encoder = make_encoder()
    sentences = [torch.randint(3, VOCABULARY, (int(n),)) for n in LENGTHS[:50]]
    tokens = torch.cat(sentences).numpy().astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS[:50])])
    received = torch.full((50, 16), torch.nan)
    run_batches(
        TokenizedSentences(tokens, offsets),
        encoder,
        lambda rows, values: received.index_copy_(0, torch.from_numpy(rows), values),
    )
    alone = torch.cat([encoder(sentence[None]) for sentence in sentences])
    torch.testing.assert_close(received, alone.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_inference_copy_leaves_the_original_alone(make_encoder, precision, dtype):
    encoder = make_encoder().train()
    copy = inference_copy(encoder, precision, torch.device("cpu"))
    assert {p.dtype for p in copy.parameters()} == {dtype}
    assert not any(m.training for m in copy.modules())
    assert not any(p.requires_grad for p in copy.parameters())
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert all(m.training for m in encoder.modules())
    assert all(p.requires_grad for p in encoder.parameters())


def test_run_batches_gives_the_same_side_by_side():
    lengths = np.random.default_rng(0).integers(1, 9, size=200)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.arange(offsets[-1], dtype=np.int32)
    received = {streams: np.full(200, -1) for streams in (1, 3)}
    for streams, sums in received.items():

        def receive(rows, values, into=sums):
            into[rows] = values.numpy()

        run_batches(TokenizedSentences(tokens, offsets), lambda ids: ids.sum(dim=1), receive, streams)
    np.testing.assert_array_equal(received[3], np.add.reduceat(tokens, offsets[:-1]))
    np.testing.assert_array_equal(received[1], received[3])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_run_batches_on_a_gpu_hands_over_every_batch_on_the_processor(make_encoder, monkeypatch):
    monkeypatch.setattr(length_batches, "TOKENS_PER_GPU_BATCH", 20)
    encoder = make_encoder().eval()
    tokens = torch.randint(3, VOCABULARY, (int(LENGTHS.sum()),)).numpy().astype(np.int32)
    sentences = TokenizedSentences(tokens, np.concatenate([[0], np.cumsum(LENGTHS)]))
    received = {"cpu": torch.full((len(LENGTHS), 16), torch.nan), "cuda": torch.full((len(LENGTHS), 16), torch.nan)}
    for device, into in received.items():

        def receive(rows, values, into=into):
            assert values.device.type == "cpu"
            into[torch.from_numpy(rows)] = values

        run_batches(sentences, encoder.to(device), receive, device=torch.device(device))
    torch.testing.assert_close(received["cuda"], received["cpu"], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("streams", "batches", "expected"), [(1, 5, 4), (2, 5, 2), (3, 5, 1), (9, 2, 2), (9, 1, 4)])
def test_run_batches_shares_the_cores_and_gives_them_back(streams, batches, expected):
    found = []

    def network(ids):
        found.append(torch.get_num_threads())
        return ids

    lengths = np.arange(1, batches + 1)
    sentences = TokenizedSentences(np.zeros(lengths.sum(), dtype=np.int32), np.concatenate([[0], np.cumsum(lengths)]))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        run_batches(sentences, network, lambda rows, values: None, streams)
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(torch.get_num_threads).result()
        assert (torch.get_num_threads(), later) == (4, 4)
    finally:
        torch.set_num_threads(before)
    assert found == [expected] * batches


@pytest.mark.parametrize("streams", [1, 2])
def test_run_batches_raises_the_error_of_a_batch(streams):
    def network(ids):
        raise ZeroDivisionError

    sentences = TokenizedSentences(np.zeros(4, dtype=np.int32), np.array([0, 2, 4]))
    with pytest.raises(ZeroDivisionError):
        run_batches(sentences, network, lambda rows, values: None, streams)


def test_inference_copy_keeps_what_is_on_top_in_single_precision(make_encoder):
    encoder = make_encoder(top=[Dense(16, 8, True, IDENTITY), Normalize()])
    made = inference_copy(encoder, "bf16-true", torch.device("cpu"))
    assert {p.dtype for p in made.transformer.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in made.sentence_modules.parameters()} == {torch.float32}
    ids = torch.randint(3, 90, (4, 9))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        trained = encoder(ids)
    assert trained.dtype == made(ids).dtype == torch.float32
    torch.testing.assert_close(made(ids), trained, atol=2e-2, rtol=2e-2)
