import pytest
import torch

from polyhead.errors import ParameterError
from polyhead.objectives.weighting import Equal, Fixed

TASKS = ("category", "sentiment")
ALL = torch.tensor([True, True])


def test_equal_is_the_sum():
    assert Equal(TASKS)(torch.tensor([1.0, 3.0]), ALL).item() == 4.0


def test_fixed_by_hand_in_the_order_of_the_tasks():
    weighting = Fixed(TASKS, {"sentiment": 0.5, "category": 2.0})
    assert weighting(torch.tensor([1.0, 3.0]), ALL).item() == 3.5
    assert weighting.weights().tolist() == [2.0, 0.5]


def test_fixed_takes_a_weight_of_zero():
    assert Fixed(TASKS, {"category": 0, "sentiment": 2})(torch.tensor([1.0, 3.0]), ALL).item() == 6.0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"category": 1.0}, "weights: none for 'sentiment'; give one, 1 for the weight in the plain sum"),
        (
            {"category": -1.0, "sentiment": float("inf"), "topik": 1.0},
            "weights: no task is called 'topik'; Valid: category, sentiment\n"
            "weights.category: -1.0 given; it must be finite, 0 or more\n"
            "weights.sentiment: inf given; it must be finite, 0 or more",
        ),
        (
            {"category": 1.0, "sentiment": float("nan")},
            "weights.sentiment: nan given; it must be finite, 0 or more",
        ),
        ({"category": 0.0, "sentiment": 0.0}, "weights: all are 0; at least one task must count"),
        ({"category": 0.0}, "weights: none for 'sentiment'; give one, 1 for the weight in the plain sum"),
    ],
)
def test_fixed_refuses_wrong_weights_all_at_once(weights, message):
    with pytest.raises(ParameterError) as caught:
        Fixed(TASKS, weights)
    assert str(caught.value) == message
