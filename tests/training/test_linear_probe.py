"""The out-of-fold probabilities are scikit-learn's, and no sentence has a say in its own."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from polyhead.training import linear_probe
from polyhead.training.linear_probe import out_of_fold


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    embeddings = random.normal(size=(90, 6)) + 1.5 * np.eye(3, 6)[labels]
    return embeddings, labels, random.permutation(90) % 5


def test_out_of_fold_probabilities_are_those_of_cross_val_predict(data, monkeypatch):
    monkeypatch.setattr(linear_probe, "INVERSE_PENALTIES", (0.1,))
    embeddings, labels, folds = data
    found = out_of_fold(7 * embeddings + 3, labels, folds, np.ones(90, bool))
    centered = (embeddings - embeddings.mean(0)) / embeddings.std()
    regression = LogisticRegression(C=0.1, max_iter=500)
    expected = cross_val_predict(regression, centered, labels, cv=PredefinedSplit(folds), method="predict_proba")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_out_of_fold_probabilities_of_a_sentence_do_not_depend_on_its_label(data, monkeypatch):
    monkeypatch.setattr(linear_probe, "INVERSE_PENALTIES", (0.1,))
    embeddings, labels, folds = data
    changed = np.where(folds == 2, (labels + 1) % 3, labels)
    everything = np.ones(90, bool)
    before, after = (out_of_fold(embeddings, given, folds, everything) for given in (labels, changed))
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert np.abs(before[folds != 2] - after[folds != 2]).max() > 0.01


def test_out_of_fold_probabilities_come_also_for_what_is_not_learned_from(data):
    embeddings, labels, folds = data
    learned = np.arange(90) > 10
    found = out_of_fold(embeddings, labels, folds, learned)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert (found[~learned].argmax(1) == labels[~learned]).mean() > 0.5
