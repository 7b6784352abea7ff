import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from polyhead.tasks import MISSING, Task, make_kind
from polyhead.training.thresholds import Thresholds, best_threshold


@pytest.mark.slow
def test_best_threshold_has_the_best_f1_of_all():
    for seed in range(20):
        random = np.random.default_rng(seed)
        probabilities = random.random(30).round(1).astype(np.float32)  # with ties
        labels = (random.random(30) < 0.3).astype(int)
        labels[0] = 1
        found = best_threshold(torch.from_numpy(probabilities), torch.from_numpy(labels))
        every = [f1_score(labels, probabilities >= cut) for cut in np.linspace(-0.05, 1.05, 23)]
        assert f1_score(labels, probabilities >= found) == pytest.approx(max(every))


def test_best_threshold_of_a_label_that_no_row_has_is_a_half():
    assert best_threshold(torch.rand(5), torch.zeros(5, dtype=torch.long)) == 0.5


def test_thresholds_score_with_what_was_fitted_and_skip_rows_without_labels():
    task = Task("tags", ("a", "b"), make_kind("tags", "multi_label", {}))
    logits, labels = torch.randn(40, 2), torch.randint(0, 2, (40, 2))
    labels[::5] = MISSING
    fit = Thresholds(task)
    fit.update(logits[:15], labels[:15])
    fit.update(logits[15:], labels[15:])
    fit.fit()
    found, known = fit.compute(), labels[:, 0] != MISSING
    given = logits[known].sigmoid() >= torch.tensor(found["thresholds"])
    assert found["macro_f1"] == pytest.approx(f1_score(labels[known], given, average="macro"), abs=1e-6)
    assert found["micro_f1"] == pytest.approx(f1_score(labels[known], given, average="micro"), abs=1e-6)
    other = Thresholds(task)
    other.adopt(fit.values)
    assert other.values == fit.values
