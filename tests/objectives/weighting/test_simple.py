import math

import pytest
import torch

from polyhead.errors import UserError
from polyhead.objectives.weighting import Equal, Fixed, Uncertainty

TASKS = ("category", "sentiment")
ALL = torch.tensor([True, True])


def test_equal_is_the_sum():
    assert Equal(TASKS)(torch.tensor([1.0, 3.0]), ALL).item() == 4.0


def test_fixed_by_hand_in_the_order_of_the_tasks():
    weighting = Fixed(TASKS, {"sentiment": 0.5, "category": 2.0})
    assert weighting(torch.tensor([1.0, 3.0]), ALL).item() == 3.5


def test_uncertainty_by_hand():
    weighting = Uncertainty(TASKS)
    with torch.no_grad():
        weighting.log_variances.copy_(torch.tensor([0.0, math.log(4)]))
    total = weighting(torch.tensor([1.0, 3.0]), ALL)
    torch.testing.assert_close(total.item(), 1.0 + 3.0 / 4 + math.log(4) / 2)
    total.backward()
    torch.testing.assert_close(weighting.log_variances.grad, torch.tensor([-1.0 + 0.5, -3.0 / 4 + 0.5]))


def test_uncertainty_starts_at_equal_weights_and_settles_where_the_paper_says():
    weighting = Uncertainty(TASKS)
    assert weighting.weights().tolist() == [1.0, 1.0]
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.5)
    losses = torch.tensor([0.25, 2.0])
    for _ in range(200):
        optimizer.zero_grad()
        weighting(losses, ALL).backward()
        optimizer.step()
    torch.testing.assert_close(
        weighting.weigh(losses, ALL, None).detach(), 1 / (2 * losses)
    )  # sigma^2 = 2 L at the minimum


def test_uncertainty_resumes():
    first = Uncertainty(TASKS)
    with torch.no_grad():
        first.log_variances.fill_(0.3)
    second = Uncertainty(TASKS)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.weights(), second.weights())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"category": 1.0}, "none for 'sentiment'"),
        ({"category": 1.0, "sentiment": 1.0, "topik": 1.0}, "no task is called 'topik'"),
        ({"category": 1.0, "sentiment": -1.0}, "weighting.weights.sentiment: -1.0 given"),
        ({"category": 1.0, "sentiment": float("nan")}, "must be finite"),
        ({"category": 0.0, "sentiment": 0.0}, "all are 0"),
    ],
)
def test_wrong_fixed_weights_are_refused(weights, message):
    with pytest.raises(UserError, match=message):
        Fixed(TASKS, weights)
