from dataclasses import fields

import pytest
import torch
from support.models import random_batch
from torch import Tensor

from polyhead.data.batch import Batch

FULL = Batch(
    input_ids=torch.tensor([[5, 6, 7], [8, 9, 0]]),
    attention_mask=torch.tensor([[1, 1, 1], [1, 1, 0]]),
    labels={"category": torch.tensor([2, 0]), "sentiment": torch.tensor([1, -100])},
    activations=torch.arange(12.0).reshape(2, 3, 2),
    depth=4,
    rows=torch.tensor([31, 7]),
    weights=torch.tensor([0.5, 1.0]),
)


def leaves(batch):
    """Return everything in a batch by name, its labels one by one."""
    values = {field.name: getattr(batch, field.name) for field in fields(Batch) if field.name != "labels"}
    return values | {f"labels.{task}": labels for task, labels in batch.labels.items()}


def test_batch_length_is_its_number_of_sentences():
    assert len(random_batch(size=5)) == 5


def test_batch_to_copies_every_tensor_and_keeps_everything_else():
    """By way of float64, which is a move that an omitted tensor would not have made."""
    moved = leaves(FULL.to(torch.float64))
    for name, value in leaves(FULL).items():
        if isinstance(value, Tensor):
            assert moved[name].dtype == torch.float64, name
            assert torch.equal(moved[name], value.double()), name
        else:
            assert moved[name] == value, name
    assert leaves(FULL).keys() == moved.keys()


def test_batch_to_the_meta_device_leaves_nothing_behind():
    moved = leaves(FULL.to("meta"))
    assert all(value.is_meta for value in moved.values() if isinstance(value, Tensor))


def test_batch_to_keeps_absent_parts_absent():
    moved = Batch(FULL.input_ids, None, {}).to("cpu")
    assert (moved.attention_mask, moved.activations, moved.rows, moved.depth, moved.labels) == (None, None, None, 0, {})


def test_batch_with_embeddings_of_all_layers_keeps_that_when_moved():
    assert Batch(FULL.input_ids, None, {}, torch.zeros(2, 4), depth=None).to("cpu").depth is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_batch_in_pinned_memory_moves_to_the_gpu():
    pinned = leaves(FULL.pin_memory())
    assert all(value.is_pinned() for value in pinned.values() if isinstance(value, Tensor))
    moved = leaves(FULL.pin_memory().to("cuda", non_blocking=True))
    assert all(value.is_cuda for value in moved.values() if isinstance(value, Tensor))
