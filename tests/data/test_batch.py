import pytest
import torch
from support.models import random_batch

from polyhead.data.batch import Batch


def test_its_length_is_its_number_of_sentences():
    assert len(random_batch(size=5)) == 5


def test_moving_keeps_what_is_in_it():
    batch = random_batch()
    moved = batch.to("cpu")
    assert torch.equal(moved.input_ids, batch.input_ids)
    assert torch.equal(moved.labels["category"], batch.labels["category"])
    assert Batch(batch.input_ids, None, {}).to("cpu").attention_mask is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_pinned_memory_moves_to_the_gpu():
    batch = random_batch().pin_memory()
    assert batch.input_ids.is_pinned()
    assert batch.to("cuda", non_blocking=True).attention_mask.is_cuda
