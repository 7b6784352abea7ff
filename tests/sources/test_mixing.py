import numpy as np
import pytest

from polyhead.errors import UserError
from polyhead.sources.mixing import Balance, Mixture, exponent

ORIGINS = np.repeat([0, 1, 2], [60, 30, 10])


def counts(power, seed=0):
    drawn = Mixture(ORIGINS, power).draw(np.random.default_rng(seed))
    return np.bincount(drawn, minlength=len(ORIGINS))


@pytest.mark.parametrize(
    ("mixing", "temperature", "power", "sizes"),
    [
        ("proportional", 5.0, 1.0, [60, 30, 10]),
        ("equal", 5.0, 0.0, [34, 33, 33]),
        ("temperature", 2.0, 0.5, [47, 34, 19]),  # sqrt(60) : sqrt(30) : sqrt(10)
        ("temperature", 1.0, 1.0, [60, 30, 10]),
    ],
)
def test_mixture_gives_each_source_its_share_of_an_epoch(mixing, temperature, power, sizes):
    assert exponent(mixing, temperature) == power
    assert Mixture(ORIGINS, power).sizes().tolist() == sizes
    assert np.bincount(ORIGINS, counts(power)).tolist() == sizes


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_mixture_draws_sentences_of_a_source_equally_often_give_or_take_one(power):
    for source in range(3):
        times = counts(power)[source == ORIGINS]
        assert times.max() - times.min() <= 1


def test_mixture_draws_by_the_generator_alone():
    assert (counts(0.0) == counts(0.0)).all()
    assert (counts(0.0) != counts(0.0, seed=1)).any()


def test_mixture_skips_a_source_without_sentences():
    assert Mixture(np.array([0, 0, 2, 2]), 0.0).sizes().tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("mixing", "temperature"), [("even", 1.0), ("temperature", 0.5), ("temperature", float("nan"))]
)
def test_exponent_refuses_other_mixings_and_temperatures(mixing, temperature):
    with pytest.raises(UserError, match="^(mixing|temperature): "):
        exponent(mixing, temperature)


def test_balance_gives_each_class_the_same_share_and_each_sentence_without_a_class_once():
    classes = np.concatenate([ORIGINS, np.full(20, -100)])
    drawn = Balance(classes).draw(np.random.default_rng(0))
    assert len(drawn) == len(classes)
    assert np.bincount(classes[drawn[:100]]).tolist() == [34, 33, 33]
    assert sorted(drawn[100:]) == list(range(100, 120))
    times = np.bincount(drawn, minlength=len(classes))
    for source in range(3):
        assert np.ptp(times[:100][source == ORIGINS]) <= 1
