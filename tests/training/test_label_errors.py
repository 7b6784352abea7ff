"""Wrong labels are found where they are known, by the counts that the method's paper and its library give."""

import numpy as np
import pytest

from polyhead.training.label_errors import confident_joint, find_label_errors


def flipped_blobs(count=600, classes=4, share=0.1, seed=0):
    """Make embeddings of separable classes, labels of which a share is wrong, and which these are."""
    random = np.random.default_rng(seed)
    true = random.permutation(np.arange(count) % classes)
    embeddings = (random.normal(size=(count, 8)) + 4 * np.eye(classes, 8)[true]).astype(np.float32)
    wrong = random.permutation(count)[: round(share * count)]
    given = true.copy()
    given[wrong] = (true[wrong] + random.integers(1, classes, len(wrong))) % classes
    return embeddings, given, true, {*wrong.tolist()}


def test_confident_joint_counts_what_a_hand_counts():
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.3, 0.7], [0.05, 0.95], [0.8, 0.2]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Means: of class 0 over its sentences (0.9 + 0.5 + 0.2) / 3 = 0.533, of class 1 (0.7 + 0.95 + 0.2) / 3 = 0.617.
    assert confident_joint(probabilities, labels).tolist() == [[1, 1], [1, 2]]  # the second is confidently of no class


def test_confident_joint_is_that_of_cleanlab():
    random = np.random.default_rng(5)
    labels = np.arange(300) % 4
    shifted = np.where(random.permuted(np.arange(300) < 60), (labels + 1 + labels % 2) % 4, labels)
    probabilities = random.dirichlet([0.5] * 4, 300) / 2 + np.eye(4)[shifted] / 2
    # cleanlab.count.compute_confident_joint(labels, probabilities, calibrate=False) of version 2.9.0
    assert confident_joint(probabilities, labels).tolist() == [
        [42, 14, 0, 0],
        [0, 54, 0, 12],
        [0, 0, 35, 7],
        [0, 14, 0, 41],
    ]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_label_errors_are_found_and_little_else(share):
    embeddings, given, true, wrong = flipped_blobs(share=share)
    suspects = find_label_errors(embeddings, given, np.arange(600))
    found = suspects.rows.tolist()
    assert len({*found}) == len(found)
    hits = {*found} & wrong
    assert len(hits) >= 0.8 * len(wrong)
    assert len(hits) >= 0.8 * len(found)
    right = [suggested == true[row] for row, suggested in zip(found, suspects.suggested, strict=True) if row in wrong]
    assert np.mean(right) > 0.9
    assert (np.diff(suspects.given_probability) >= 0).all()
    assert (suspects.suggested_probability > suspects.given_probability).all()
    assert (suspects.suggested != given[suspects.rows]).all()


def test_label_errors_of_the_same_sentences_are_the_same_each_time():
    embeddings, given, _, _ = flipped_blobs(200)
    first, second = (find_label_errors(embeddings, given, np.arange(200)) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, second, strict=True))


def test_label_errors_are_found_in_copies_that_share_a_wrong_label():
    embeddings, given, _, wrong = flipped_blobs(300)
    twice = np.concatenate([embeddings, embeddings]), np.tile(given, 2), np.tile(np.arange(300), 2)
    found = {row % 300 for row in find_label_errors(*twice).rows.tolist()}
    assert len(found & wrong) >= 0.8 * len(wrong)  # in different folds each copy would vouch for the other


def test_label_errors_are_few_where_all_labels_are_right():
    embeddings, _, true, _ = flipped_blobs()
    assert len(find_label_errors(embeddings, true, np.arange(600)).rows) <= 6
