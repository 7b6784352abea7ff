"""Probabilities and intervals of counts are scipy's."""

import pytest
from scipy.stats import binom, binomtest

from polyhead.training.binomial import binomial_interval, binomial_tail


@pytest.mark.parametrize("trials", [1, 2, 30, 5000])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.99])
def test_binomial_tail_is_that_of_scipy(trials, share):
    for most in {0, 1, trials // 10, trials // 2, trials}:
        assert binomial_tail(most, trials, share) == pytest.approx(binom.cdf(most, trials, share), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("happened", "trials"), [(0, 1), (1, 1), (0, 50), (50, 50), (47, 50), (2500, 5000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_binomial_interval_is_that_of_scipy(happened, trials, level):
    expected = binomtest(happened, trials).proportion_ci(level, method="exact")
    assert binomial_interval(happened, trials, level) == pytest.approx((expected.low, expected.high), abs=1e-12)
