import numpy as np
import pytest
from scipy import stats

from polyhead.runs.folds import interval


def test_interval_is_that_of_students_t_with_the_variance_of_nadeau_and_bengio():
    values = [0.7, 0.8, 0.75, 0.9, 0.65]
    found = interval(values)
    spread = np.var(values, ddof=1) * (1 / 5 + 1 / 4)  # a fold tests a quarter of what it trains on
    low, high = stats.t.interval(0.95, 4, np.mean(values), np.sqrt(spread))
    assert found["values"] == values
    assert [found["mean"], found["low"], found["high"]] == pytest.approx([np.mean(values), low, high])
    assert interval([0.5]) == {"mean": 0.5, "low": None, "high": None, "values": [0.5]}
