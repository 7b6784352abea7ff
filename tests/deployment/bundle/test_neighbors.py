import numpy as np
import pytest

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.errors import UserError

SENTENCES = ["east", "north", "north-east", "west"]
EMBEDDINGS = np.array([[2, 0], [0, 3], [1, 1], [-1, 0]], dtype=np.float32)


@pytest.fixture
def stored():
    return Neighbors.from_embeddings(SENTENCES, [EMBEDDINGS[:3], EMBEDDINGS[3:]])


def test_the_nearest_come_first_with_their_cosines(stored):
    (first, second) = stored.nearest(np.array([[5, 0.1], [0, 0.001]], dtype=np.float32), 2)
    assert [sentence for sentence, _ in first] == ["east", "north-east"]
    assert [sentence for sentence, _ in second] == ["north", "north-east"]
    np.testing.assert_allclose([cosine for _, cosine in second], [1, 0.5**0.5], atol=1e-3)


def test_more_than_there_are_is_all(stored):
    assert len(stored.nearest(EMBEDDINGS[:1], 9)[0]) == 4


def test_they_are_read_back(tmp_path, stored):
    assert Neighbors.read(tmp_path) is None
    stored.write(tmp_path)
    back = Neighbors.read(tmp_path)
    assert back.sentences == SENTENCES
    np.testing.assert_allclose(back.directions, stored.directions, atol=1e-3)


def test_files_that_do_not_fit_are_refused(tmp_path, stored):
    stored.write(tmp_path)
    (tmp_path / "sentences.json").write_text('["one"]')
    with pytest.raises(UserError, match="differ in length"):
        Neighbors.read(tmp_path)


@pytest.mark.parametrize("name", ["sentences.json", "sentences.safetensors"])
def test_damaged_files_are_refused(tmp_path, stored, name):
    stored.write(tmp_path)
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match="its stored sentences cannot be read"):
        Neighbors.read(tmp_path)
