import pytest
import torch

from polyhead.objectives.weighting import Scalarized

TASKS = ("category", "sentiment", "topic")
ALL = torch.tensor([True, True, True])


def weights(weighting, losses, labelled=ALL):
    weighting(torch.tensor(losses), labelled)
    return weighting.weights().tolist()


def test_geometric_mean_by_hand():
    losses = torch.tensor([0.5, 2.0, 4.0])
    expected = losses.prod() ** (1 / 3) / losses  # T times the derivative of the geometric mean
    assert weights(Scalarized(TASKS, "GeometricMean", {}), losses.tolist()) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("factor", [1e-2, 1e2])
def test_geometric_mean_does_not_see_the_scale_of_a_loss(factor):
    weighting = Scalarized(TASKS, "GeometricMean", {})
    losses = torch.tensor([0.5, 2.0, 1.0])
    scaled = losses * torch.tensor([factor, 1.0, 1.0])
    plain = torch.tensor(weights(weighting, losses.tolist())) * losses
    after = torch.tensor(weights(weighting, scaled.tolist())) * scaled
    torch.testing.assert_close(after / after.sum(), plain / plain.sum())


@pytest.mark.parametrize("mu", [0.01, 1.0, 100.0])
def test_smooth_tchebycheff_by_hand(mu):
    """The slopes of mu log sum exp(L / (T mu)), the smooth maximum of equally preferred losses, times T."""
    losses = torch.tensor([1.0, 2.0, 0.5])
    expected = torch.softmax(losses / (3 * mu), 0)
    assert weights(Scalarized(TASKS, "STCH", {"mu": mu}), losses.tolist()) == pytest.approx(expected.tolist(), abs=1e-6)


def test_random_weights_are_drawn_in_every_step_and_sum_to_the_number_of_tasks():
    weighting = Scalarized(TASKS, "Random", {})
    drawn = [weights(weighting, [1.0, 1.0, 1.0]) for _ in range(200)]
    assert all(sum(weights) == pytest.approx(3.0) for weights in drawn)
    assert len({weights[0] for weights in drawn}) == 200
    assert sum(weights[0] for weights in drawn) / 200 == pytest.approx(1.0, abs=0.15)


def test_random_weights_are_the_softmax_of_normal_numbers():
    torch.manual_seed(3)
    expected = 3 * torch.softmax(torch.randn(3), 0)
    torch.manual_seed(3)
    assert weights(Scalarized(TASKS, "Random", {}), [1.0, 1.0, 1.0]) == pytest.approx(expected.tolist())


def test_scalarized_leaves_absent_tasks_out():
    weighting = Scalarized(TASKS, "GeometricMean", {})
    labelled = torch.tensor([True, False, True])
    expected = [2.0 / 0.5, 0.0, 2.0 / 8.0]  # the geometric mean of 0.5 and 8 is 2
    assert weighting.weigh(torch.tensor([0.5, 0.0, 8.0]), labelled, None).tolist() == pytest.approx(expected)
    assert weighting.weigh(torch.zeros(3), torch.tensor([False] * 3), None).tolist() == [0.0, 0.0, 0.0]
