import numpy as np
import pytest
import torch

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.errors import UserError

SENTENCES = ["east", "north", "north-east", "west"]
EMBEDDINGS = np.array([[2, 0], [0, 3], [1, 1], [-1, 0]], dtype=np.float32)


@pytest.fixture
def stored():
    return Neighbors.from_embeddings(SENTENCES, [EMBEDDINGS[:3], EMBEDDINGS[3:]])


def test_neighbors_come_nearest_first_with_their_cosines(stored):
    first, second = stored.nearest(np.array([[5, 0.1], [0, 0.001]], dtype=np.float32), 2)
    assert [sentence for sentence, _ in first] == ["east", "north-east"]
    assert [sentence for sentence, _ in second] == ["north", "north-east"]
    np.testing.assert_allclose([cosine for _, cosine in second], [1, 0.5**0.5], atol=1e-3)


def test_neighbors_are_those_of_the_largest_cosines():
    embeddings, asked = torch.randn(50, 8), torch.randn(6, 8)
    stored = Neighbors.from_embeddings(map(str, range(50)), [embeddings.numpy()])
    cosines = torch.cosine_similarity(asked[:, None], embeddings[None], dim=2)  # (6, 50)
    expected = cosines.topk(5)
    for found, values, positions in zip(stored.nearest(asked.numpy(), 5), *expected, strict=True):
        assert [int(sentence) for sentence, _ in found] == positions.tolist()
        np.testing.assert_allclose([cosine for _, cosine in found], values, atol=1e-5)


def test_neighbors_of_an_embedding_of_zeros_have_cosine_zero(stored):
    (found,) = stored.nearest(np.zeros((1, 2), dtype=np.float32), 4)
    assert [cosine for _, cosine in found] == [0, 0, 0, 0]


def test_neighbors_are_all_where_more_are_asked_for(stored):
    assert len(stored.nearest(EMBEDDINGS[:1], 9)[0]) == 4


def test_neighbors_are_read_back_in_half_precision(tmp_path, stored):
    stored.write(tmp_path)
    back = Neighbors.read(tmp_path, width=2)
    assert back.sentences == SENTENCES
    np.testing.assert_array_equal(back.directions, stored.directions.astype(np.float16))
    assert back.directions.dtype == np.float32


def test_neighbors_are_none_where_none_were_written(tmp_path):
    assert Neighbors.read(tmp_path, width=2) is None


def test_neighbors_refuse_files_of_different_length(tmp_path, stored):
    stored.write(tmp_path)
    (tmp_path / "sentences.json").write_text('["one"]')
    with pytest.raises(UserError, match="differ in length"):
        Neighbors.read(tmp_path, width=2)


@pytest.mark.parametrize("name", ["sentences.json", "sentences.safetensors"])
def test_neighbors_refuse_damaged_files(tmp_path, stored, name):
    stored.write(tmp_path)
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match="its stored sentences cannot be read"):
        Neighbors.read(tmp_path, width=2)
