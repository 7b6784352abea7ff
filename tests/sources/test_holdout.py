import numpy as np
import pytest

from polyhead.sources.holdout import choose_holdout

STRATA = np.repeat([0, 1, 2, 3], [600, 300, 90, 1])
TEXTS = np.random.default_rng(0).permutation(len(STRATA)).astype(np.int64)


def test_choose_holdout_takes_the_share_of_each_stratum():
    held = choose_holdout(TEXTS, STRATA, 0.1, seed=0)
    assert np.bincount(STRATA[held], minlength=4).tolist() == [60, 30, 9, 0]


def test_choose_holdout_follows_from_the_seed_alone():
    held = choose_holdout(TEXTS, STRATA, 0.1, seed=0)
    assert (held == choose_holdout(TEXTS * 7919 % 1_000_003, STRATA, 0.1, seed=0)).all()  # other hashes, the same texts
    assert (held != choose_holdout(TEXTS, STRATA, 0.1, seed=1)).any()


def test_choose_holdout_keeps_equal_texts_together():
    texts = np.repeat(np.arange(50), 4)
    held = choose_holdout(texts, np.tile([0, 1, 2, 3], 50), 0.5, seed=0)
    assert (held.reshape(50, 4) == held.reshape(50, 4)[:, :1]).all()
    assert held.sum() == 100


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_choose_holdout_leaves_a_class_on_both_sides_where_it_can(share):
    held = choose_holdout(np.arange(4), np.array([0, 0, 1, 1]), share, seed=0)
    assert held.sum() == 2
    assert held[:2].sum() == 1
