"""Thresholds keep what they promise over many draws of exchangeable sentences, and are those of references."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom

from polyhead.errors import UserError
from polyhead.training.binomial import binomial_interval
from polyhead.training.validation_scores import POINTS, RISK, ValidationScores, first_tested, risk_shares

LEVELS = ["0.01", "0.5", "0.8", "0.9", "0.95", "0.99"]


def draw(dice, rows, classes=4, sharpness=2.0):
    """Probabilities (N, C), and classes drawn from them."""
    powers = np.exp(sharpness * dice.normal(size=(rows, classes)))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    labels = (dice.random((rows, 1)) > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return probabilities, labels


def scores_of(rows, seed=0, **options):
    return ValidationScores.of(*draw(np.random.default_rng(seed), rows, **options))


def true_probabilities(probabilities, labels):
    return probabilities[np.arange(len(labels)), labels]


@pytest.mark.parametrize("coverage", LEVELS)
@pytest.mark.parametrize("rows", [4, 9, 10, 99, 100, 999, 1000])
def test_set_threshold_is_the_conformal_quantile(coverage, rows):
    probabilities, labels = draw(np.random.default_rng(rows), rows)
    scores = ValidationScores.of(probabilities, labels)
    rank = math.ceil((rows + 1) * Fraction(coverage))
    if rank > rows:
        with pytest.raises(UserError, match="validation sentences promise 0"):
            scores.set_threshold(float(coverage))
        return
    quantile = np.quantile(1 - true_probabilities(probabilities, labels), rank / rows - 1e-12, method="inverted_cdf")
    assert scores.set_threshold(float(coverage)) == pytest.approx(1 - quantile, abs=1e-12)


@pytest.mark.parametrize("coverage", LEVELS)
@pytest.mark.parametrize("rows", [1001, 1999, 12_345])
def test_set_threshold_of_many_rows_is_a_thousandth_to_the_safe_side(coverage, rows):
    probabilities, labels = draw(np.random.default_rng(rows), rows)
    found = ValidationScores.of(probabilities, labels).set_threshold(float(coverage))
    covered = (true_probabilities(probabilities, labels) >= found).sum()
    exact = math.ceil((rows + 1) * Fraction(coverage))
    assert exact <= covered <= exact + rows / POINTS


@pytest.mark.slow
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_set_threshold_covers_new_sentences_as_often_as_promised(coverage):
    dice, rows, draws = np.random.default_rng(1), 40, 1500
    covered = 0
    for _ in range(draws):
        probabilities, labels = draw(dice, rows + 1, sharpness=1.0)  # the last is the new one
        threshold = ValidationScores.of(probabilities[:-1], labels[:-1]).set_threshold(coverage)
        covered += probabilities[-1, labels[-1]] >= threshold
    low, high = binomial_interval(covered, draws, 0.999)
    expected = math.ceil(41 * coverage - 1e-9) / 41  # exactly, for scores without ties
    assert coverage <= expected
    assert low <= expected <= high


@pytest.mark.slow
def test_answer_threshold_keeps_the_accuracy_in_nine_draws_of_ten():
    dice = np.random.default_rng(2)
    population, truth = draw(dice, 200_000)
    confidence, right = population.max(axis=1), population.argmax(axis=1) == truth
    missed, found, draws = 0, 0, 150
    for _ in range(draws):
        try:
            threshold = ValidationScores.of(*draw(dice, 400)).answer_threshold(0.85)
        except UserError:
            continue
        found += 1
        missed += right[confidence >= threshold].mean() < 0.85
    assert found > draws / 2
    low, _ = binomial_interval(missed, draws, 0.99)
    assert low <= RISK


def test_thresholds_follow_what_is_wanted():
    scores = scores_of(3000)
    sets = [scores.set_threshold(coverage) for coverage in np.linspace(0.01, 0.99, 99)]
    assert sets == sorted(sets, reverse=True)
    answers = [scores.answer_threshold(accuracy) for accuracy in (0.7, 0.75, 0.8, 0.85, 0.9)]
    assert answers == sorted(answers)
    assert answers[0] < answers[-1]


def test_answer_threshold_of_a_model_that_is_never_wrong_answers_all():
    scores = ValidationScores.of(np.tile([0.75, 0.25], (100, 1)), np.zeros(100, dtype=int))
    assert scores.answer_threshold(0.95) == 0.75
    with pytest.raises(UserError, match="its 100 validation sentences are too few, it takes 230"):
        scores.answer_threshold(0.99)


def test_answer_threshold_is_refused_where_the_most_confident_are_wrong():
    confidence = np.linspace(0.9, 0.6, 100)
    scores = ValidationScores.of(np.stack([confidence, 1 - confidence], axis=1), np.arange(100) % 2)
    with pytest.raises(
        UserError, match="of its 76 most confident validation sentences 38 are right, of all 100 50, which is no proof"
    ):
        scores.answer_threshold(0.9)


def test_answer_threshold_survives_mistakes_among_the_most_confident():
    confidence = np.linspace(0.99, 0.6, 1000)
    labels = np.zeros(1000, dtype=int)
    labels[:20] = 1  # all of the most confident are wrong, and nearly all others right
    scores = ValidationScores.of(np.stack([confidence, 1 - confidence], axis=1), labels)
    assert scores.answer_threshold(0.9) == pytest.approx(0.6)


def test_risk_shares_are_the_risk():
    for tests in (1, 2, 50):
        assert sum(risk_shares(tests)) == pytest.approx(RISK)


def test_first_tested_would_allow_half_of_the_mistakes():
    assert first_tested(0.95, 10_000) > first_tested(0.9, 10_000) > first_tested(0.5, 10_000)
    assert first_tested(0.9, 30) == 30
    for accuracy in (0.05, 0.5, 0.85, 0.9, 0.95, 0.99):
        least = (
            n for n in range(1, 3000) if binom.cdf(int(n * (1 - accuracy) / 2 + 1e-9), n, 1 - accuracy) <= RISK / 2
        )
        assert first_tested(accuracy, 3000) == next(least)


@pytest.mark.parametrize("accuracy", [1e-300, 1e-17, 1e-6])
def test_answer_threshold_takes_accuracies_next_to_nothing(accuracy):
    scores = scores_of(50)
    assert scores.answer_threshold(accuracy) == scores.confidence[-1]


def test_scores_with_ties_count_all_sentences_of_a_confidence():
    scores = ValidationScores.of(
        np.array([[0.5, 0.5], [0.75, 0.25], [0.75, 0.25], [0.25, 0.75]]), np.array([0, 0, 1, 1])
    )
    assert scores.confidence == [0.75, 0.5]
    assert scores.answered == [3, 4]
    assert scores.right == [2, 3]


@pytest.mark.parametrize("rows", [1, 2, 1000, 1001, 5000])
def test_scores_survive_json_and_are_small(rows):
    probabilities, labels = draw(np.random.default_rng(0), rows)
    scores = ValidationScores.of(probabilities.astype(np.float32), labels)
    text = json.dumps(scores.plain())
    assert ValidationScores.from_plain(json.loads(text)) == scores
    assert len(text) < 60_000
    threshold = scores.set_threshold(0.5)
    assert np.float32(threshold) in true_probabilities(probabilities.astype(np.float32), labels)


GOOD = {"rows": 2, "truth": [0.75, 0.5], "confidence": [0.75, 0.5], "answered": [1, 2], "right": [1, 1]}


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 0},
        {"rows": 3},
        {"rows": 2.0},
        {"truth": [0.5, 0.75]},
        {"truth": [0.5]},
        {"truth": [1.5, 0.5]},
        {"truth": ["a", "b"]},
        {"truth": None},
        {"confidence": [0.5, 0.5]},
        {"confidence": [0.5, -0.5]},
        {"confidence": []},
        {"answered": [1, 3]},
        {"answered": [2, 2]},
        {"answered": [0, 2]},
        {"answered": [1, True]},
        {"right": [2, 2]},
        {"right": [1, 0]},
        {"right": [-1, 0]},
        {"right": [1]},
        {"other": 1},
    ],
)
def test_scores_refuse_what_no_validation_gives(changes):
    assert ValidationScores.from_plain(GOOD).right == [1, 1]
    with pytest.raises(UserError) as caught:
        ValidationScores.from_plain(GOOD | changes)
    assert len(str(caught.value).splitlines()) == 1
