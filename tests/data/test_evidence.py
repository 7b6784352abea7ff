import numpy as np
import pytest
from scipy.stats import binom

from polyhead.data.evidence import accuracy_margin, tell_if_small
from polyhead.tasks import MISSING


@pytest.mark.parametrize("rows", [30, 100, 1000])
def test_accuracy_margin_is_that_of_the_binomial_distribution(rows):
    low, high = binom.ppf([0.025, 0.975], rows, 0.5) / rows
    assert accuracy_margin(rows) == pytest.approx((high - low) / 2, abs=1 / rows)


def test_tell_if_small_names_the_task_with_the_fewest_labels_and_what_follows():
    labels = {"mood": np.zeros(500, int), "topic": np.full(500, MISSING), "tone": np.full(500, MISSING)}
    labels["topic"][:3] = 1
    line = tell_if_small("validation", labels)
    assert line.startswith("validation: 3 sentences with a label for topic: an accuracy has a 95 % interval")
    assert "±0.50, so the last epoch counts" in line
    assert "differences between runs" in tell_if_small("test", labels)


def test_tell_if_small_is_silent_where_a_split_is_large_or_has_no_label():
    assert tell_if_small("test", {"mood": np.zeros(100, int)}) is None
    assert tell_if_small("test", {"mood": np.full(3, MISSING)}) is None
