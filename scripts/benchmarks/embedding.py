"""The benchmark ``encode``: texts to embeddings, by Polyhead and by sentence-transformers."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.peak import note_share_of_peak
from benchmarks.settings import Settings
from benchmarks.workload import device_of, encoder_flops_per_token, open_encoder, texts_of, tokens_per_text
from polyhead.deployment.bundle.stock_modules import write_encoder
from polyhead.hardware import keep_freed_memory
from polyhead.inference.embedder import Embedder
from polyhead.models.encoder import Encoder

_WARM_UP = 200  # texts


def encode(settings: Settings) -> Comparison:
    """Measure embedding texts of mixed length: ours against sentence-transformers."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = _write_model_and_reference(settings, Path(folder))
        baselines = {
            "sentence-transformers": Baseline(partial(sentence_transformers, settings, folder, False)),
            "sentence-transformers, bf16 weights": Baseline(
                partial(sentence_transformers, settings, folder, True), bf16=True
            ),
            "polyhead, 32-true": Baseline(partial(polyhead, settings, folder, "32-true")),
            "polyhead, bf16": Baseline(partial(polyhead, settings, folder, "bf16-mixed"), bf16=True),
        }
        comparison = compare("encode", "sentences", baselines, settings, apart=True)
    length = tokens_per_text(settings)
    note_share_of_peak(comparison, encoder_flops_per_token(encoder, length), length, device_of(settings))
    return comparison


def _write_model_and_reference(settings: Settings, folder: Path) -> Encoder:
    """Write the encoder, whose weights may be random and must be the same for all, and its embeddings in fp32."""
    source = open_encoder(settings)
    encoder, tokenizer = source.load(), source.load_text_tokenizer()
    write_encoder(folder, encoder, tokenizer)
    embedder = Embedder(encoder, tokenizer, "32-true", device_of(settings))
    np.save(folder / "reference.npy", np.concatenate(list(embedder.embed(texts_of(settings)))))
    return encoder


def polyhead(settings: Settings, folder: str, precision: str, _: int) -> Measurement:
    """Embed the texts with Polyhead."""
    keep_freed_memory()
    source = replace(open_encoder(settings), location=folder, pretrained=True, sha256=None)
    embedder = Embedder(source.load(), source.load_text_tokenizer(), precision, device_of(settings))

    def embed(texts: list[str]) -> NDArray[np.float32]:
        return np.concatenate(list(embedder.embed(texts)))

    return _measure(embed, texts_of(settings), folder)


def sentence_transformers(settings: Settings, folder: str, half: bool, _: int) -> Measurement:
    """Embed the texts with ``SentenceTransformer.encode`` at its defaults; ``half`` casts the weights to bf16."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device=str(device_of(settings)))
    if half:
        model = model.bfloat16()

    def embed(texts: list[str]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = model.encode(texts, convert_to_tensor=True).float().cpu().numpy()
        return embeddings

    return _measure(embed, texts_of(settings), folder)


def _measure(embed: Callable[[list[str]], NDArray[np.float32]], texts: list[str], folder: str) -> Measurement:
    """Time an embedding of the texts, after a warm-up on some of them, and compare it with the reference."""
    embed(texts[:_WARM_UP])
    started = time.perf_counter()
    embeddings = embed(texts)
    seconds = time.perf_counter() - started
    cosine = min_cosine(embeddings, np.load(Path(folder, "reference.npy")))
    return Measurement(len(embeddings), seconds, {"min cosine": cosine})


def min_cosine(embeddings: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the lowest cosine similarity of two arrays' rows (N, H)."""
    if embeddings.shape != reference.shape:
        raise ValueError(f"embeddings {embeddings.shape} beside a reference {reference.shape}")
    cosines = torch.cosine_similarity(torch.from_numpy(embeddings), torch.from_numpy(reference))
    return float(cosines.min())
