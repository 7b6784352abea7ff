"""Models that sentence-transformers itself makes and saves, tiny and with random weights."""

from pathlib import Path

import torch
from support.fakes import word_tokenizer
from support.models import TINY
from transformers import BertConfig, BertModel

SHORT = 12  # tokens
TEXTS = [
    " ".join(f"{'W' if i % 5 == 2 else 'w'}{(7 * i + 3 * j) % 90}" for j in range(i % 19)) for i in range(60)
]  # of 0 to 18 words, some of them in upper case


def write_transformer(folder: Path) -> Path:
    """Write a tiny BERT and its tokenizer of 90 words."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        BertModel(BertConfig(**TINY)).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def write_sentence_model(folder, transformer, pooling, top=(), include_prompt=True, prompts=None, **settings):
    """Write a model of sentence-transformers, and return it.

    ``top`` are its modules on top of pooling; ``settings`` are of its Transformer.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    first = Transformer(str(transformer), **settings)
    modules = [first, Pooling(TINY["hidden_size"], pooling_mode=pooling, include_prompt=include_prompt), *top]
    named = {"prompts": prompts, "default_prompt_name": next(iter(prompts))} if prompts else {}
    model = SentenceTransformer(modules=modules, device="cpu", **named)
    model.save(str(folder))
    return model


def embedded_by_library(folder, texts=TEXTS):
    """Embed texts by sentence-transformers, from the files in a folder."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return model.encode(list(texts), convert_to_tensor=True, show_progress_bar=False, batch_size=7)
