"""Fixtures shared by all tests: tiny models, made-up batches, no network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub
os.environ["OMP_NUM_THREADS"] = (
    "1"  # of the scripts that tests start, too: threads of two processes wait for each other
)

from collections.abc import Callable

import pytest
import torch
from support.models import FAMILIES
from transformers import AutoConfig, AutoModel

from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task

torch.set_num_threads(1)  # tiny tensors: more threads only get in each other's way


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
