"""The contest of turning texts into embeddings."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measuring import Contestant, Outcome, compete, note_share_of_peak
from benchmarks.settings import Settings
from benchmarks.workload import device_of, encoder_flops_per_token, open_encoder, texts_of, tokens_per_text
from polyhead.hardware import keep_freed_memory
from polyhead.inference.embedder import Embedder


def encode(settings: Settings) -> Outcome:
    """Measure embedding texts of mixed length: ours against sentence-transformers."""
    from benchmarks.peers import sentence_transformers

    source, device = open_encoder(settings), device_of(settings)
    encoder, tokenizer = source.load(), source.load_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        # Random weights must be the same for all, and the reference is computed once: both go through files.
        encoder.transformer.save_pretrained(folder)  # type: ignore[operator]
        tokenizer.save_pretrained(folder)
        texts = texts_of(settings)
        reference = Embedder(encoder, tokenizer, source.max_length, "32-true", device)
        torch.save(torch.from_numpy(np.concatenate(list(reference.embed(texts)))), Path(folder, "reference.pt"))
        contestants: dict[str, Contestant] = {
            "sentence-transformers": partial(sentence_transformers, settings, folder, False),
            "sentence-transformers, bf16 weights": partial(sentence_transformers, settings, folder, True),
            "polyhead, 32-true": partial(embed, settings, folder, "32-true"),
            "polyhead, bf16": partial(embed, settings, folder, "bf16-mixed"),
        }
        outcome = compete("encode", "sentences", contestants, settings.repeats, apart=True)
    length = tokens_per_text(settings)
    note_share_of_peak(outcome, encoder_flops_per_token(encoder, length), length, device)
    return outcome


def embed(settings: Settings, folder: str, precision: str, _: int) -> tuple[float, dict[str, float]]:
    """Embed the texts with Polyhead."""
    keep_freed_memory()
    source = replace(open_encoder(settings), location=folder, pretrained=True, sha256=None)
    embedder = Embedder(source.load(), source.load_tokenizer(), source.max_length, precision, device_of(settings))
    return measured(lambda texts: np.concatenate(list(embedder.embed(texts))), texts_of(settings), folder)


def measured(
    embed: Callable[[list[str]], NDArray[np.float32]], texts: list[str], folder: str
) -> tuple[float, dict[str, float]]:
    """Time an embedding of the texts, after a warm-up on some of them, and compare it with the reference."""
    embed(texts[:200])
    started = time.perf_counter()
    embeddings = torch.from_numpy(embed(texts))
    seconds = time.perf_counter() - started
    reference = torch.load(Path(folder, "reference.pt"), weights_only=True)
    return len(texts) / seconds, {"min cosine": torch.cosine_similarity(embeddings, reference).min().item()}
