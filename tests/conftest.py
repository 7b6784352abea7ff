"""Fixtures shared by all tests: tiny models, made-up batches, no network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub
os.environ["OMP_NUM_THREADS"] = (
    "1"  # of the scripts that tests start, too: threads of two processes wait for each other
)

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

from polyhead.batch import Batch
from polyhead.encoder import Encoder
from polyhead.model import MultiTaskModel
from polyhead.tasks import Task

ROOT = Path(__file__).parents[1]
VOCABULARY = 100
torch.set_num_threads(1)  # tiny tensors: more threads only get in each other's way
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
FAMILIES = {
    "bert": TINY,
    "roberta": TINY,
    "mpnet": TINY,
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "vocab_size": VOCABULARY},
    "modernbert": {**TINY, "cls_token_id": 1, "sep_token_id": 2, "global_attn_every_n_layers": 2},
    "deberta-v2": {**TINY, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "electra": {**TINY, "embedding_size": 8},
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tasks() -> tuple[Task, ...]:
    return (Task("category", ("Quote", "Riddle", "News")), Task("sentiment", ("Positive", "Negative")))


@pytest.fixture
def make_encoder() -> Callable[..., Encoder]:
    def make(family: str = "bert", pooling: str = "mean") -> Encoder:
        return Encoder(AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family])), pooling).eval()

    return make


@pytest.fixture
def model(make_encoder: Callable[..., Encoder], tasks: tuple[Task, ...]) -> MultiTaskModel:
    return MultiTaskModel(make_encoder(), tasks, dropout=0.1)


def random_batch(size: int = 8, length: int = 12, classes: dict[str, int] | None = None) -> Batch:
    """Make a batch of random sentences, some of them padded on the right."""
    lengths = torch.randint(3, length + 1, (size,))
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long()
    ids = torch.randint(3, VOCABULARY, (size, length)) * mask
    classes = classes or {"category": 3, "sentiment": 2}
    return Batch(ids, mask, {name: torch.randint(0, count, (size,)) for name, count in classes.items()})
