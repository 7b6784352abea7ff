"""The sentences to label next are distinct, unlike each other, and those of which the model is least sure."""

import numpy as np
import pytest

from polyhead.inference.selection import pseudo_residuals, select, uncertainty


def make(count, classes=(3, 2), width=8, seed=0):
    """Make embeddings of length 1, and probabilities of tasks."""
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(count, width)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings, [random.dirichlet([0.3] * size, count).astype(np.float32) for size in classes]


def test_uncertainty_is_one_less_the_lead_on_average_over_tasks():
    first = np.array([[1, 0, 0], [0.4, 0.4, 0.2], [0.5, 0.2, 0.3]], dtype=np.float32)
    second = np.array([[0, 1], [0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(uncertainty([first]), [0, 1, 0.8], rtol=1e-6)
    np.testing.assert_allclose(uncertainty([first, second]), [0, 0.75, 0.9], rtol=1e-6)


def test_selection_is_k_means_plus_plus_on_the_gradients_themselves():
    embeddings, probabilities = make(200)
    residuals = pseudo_residuals(probabilities)
    gradients = (residuals[:, :, None] * embeddings[:, None, :]).reshape(200, -1).astype(np.float64)
    random = np.random.default_rng(0)
    distances = (gradients**2).sum(1)
    expected = []
    for _ in range(30):
        expected.append(random.choice(200, p=distances / distances.sum()))
        found = ((gradients - gradients[expected[-1]]) ** 2).sum(1)
        distances = found if len(expected) == 1 else np.minimum(distances, found)
    assert select(embeddings, residuals, 30).tolist() == expected


@pytest.mark.parametrize("count", [1, 30, 200, 1000])
def test_selection_is_distinct_the_same_each_time_and_never_more_than_there_are(count):
    embeddings, probabilities = make(200)
    chosen = select(embeddings, pseudo_residuals(probabilities), count).tolist()
    assert len({*chosen}) == len(chosen) == min(count, 200)
    assert select(embeddings, pseudo_residuals(probabilities), count).tolist() == chosen


def test_selection_takes_one_of_each_group_of_near_copies():
    centers, _ = make(10, width=32)
    embeddings = np.repeat(centers, 30, axis=0) + np.float32(1e-4) * make(300, width=32, seed=1)[0]
    probabilities = np.tile(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), (300, 1))
    chosen = select(embeddings, pseudo_residuals([probabilities]), 10)
    assert sorted(chosen // 30) == list(range(10))


def test_selection_is_less_certain_than_the_rest():
    embeddings, probabilities = make(1000)
    chosen = select(embeddings, pseudo_residuals(probabilities), 50)
    unsure = uncertainty(probabilities)
    assert unsure[chosen].mean() > 1.2 * unsure.mean()


def test_selection_of_a_model_that_is_sure_of_everything_is_still_distinct():
    embeddings, _ = make(20)
    sure = np.tile(np.array([[1, 0]], dtype=np.float32), (20, 1))
    assert len({*select(embeddings, pseudo_residuals([sure]), 15).tolist()}) == 15
