import math

import pytest
import torch
from torch import nn

from polyhead.errors import ParameterError
from polyhead.objectives.weighting import Aggregation, surrogate_loss
from polyhead.objectives.weighting.aggregation import LEVELS

TASKS = ("category", "sentiment", "topic")
ALL = torch.tensor([True, True, True])


def make(aggregator, tasks=TASKS, level="embedding", gives_mean=False, **settings):
    return Aggregation(tasks, aggregator, settings, level, gives_mean)


def test_pcgrad_of_two_tasks_by_hand():
    """Each gradient loses its part along the other, where they conflict (Yu et al. 2020, algorithm 1)."""
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    dot = first @ second
    expected = (first - dot / second.square().sum() * second) + (second - dot / first.square().sum() * first)
    combined = make("PCGrad", TASKS[:2]).aggregate(torch.stack([first, second]), ALL[:2])
    torch.testing.assert_close(combined, expected)


def test_mgda_of_two_tasks_by_hand():
    """The shortest vector between the two gradients (Sener and Koltun 2018, equation 4), times the number of tasks."""
    first, second = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])
    share = ((second - first) @ second / (first - second).square().sum()).clamp(0, 1)
    expected = 2 * (share * first + (1 - share) * second)
    weighting = make("MGDA", TASKS[:2], gives_mean=True, epsilon=1e-7, max_iters=10_000)
    torch.testing.assert_close(weighting.aggregate(torch.stack([first, second]), ALL[:2]), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(weighting.weights(), 2 * torch.stack([share, 1 - share]), atol=1e-3, rtol=0)


def test_imtlg_has_equal_projections_on_all_gradients():
    """Liu et al. 2021, IMTL-G: the aggregate projects equally onto each task's unit gradient."""
    gradients = torch.randn(3, 50)
    combined = make("IMTLG", gives_mean=True).aggregate(gradients, ALL)
    projections = gradients @ combined / gradients.norm(dim=1)
    torch.testing.assert_close(projections, projections.mean().expand(3), rtol=1e-3, atol=1e-3)


def test_upgrad_conflicts_with_no_task():
    """Quinton and Rey 2024: the aggregate has a negative product with no gradient, however they conflict."""
    gradients = torch.randn(3, 4)
    gradients[1] = -gradients[0] + 0.1 * torch.randn(4)
    combined = make("UPGrad", gives_mean=True).aggregate(gradients, ALL)
    assert (gradients @ combined > -1e-3).all()
    assert (gradients @ gradients.sum(dim=0) < 0).any() or (gradients[0] @ gradients[1] < 0)


def test_mean_is_as_large_as_the_sum():
    gradients = torch.randn(3, 5)
    torch.testing.assert_close(make("Mean", gives_mean=True).aggregate(gradients, ALL), gradients.sum(dim=0))
    torch.testing.assert_close(make("Mean").aggregate(gradients, ALL), gradients.mean(dim=0))


def test_two_of_three_tasks_are_aggregated_as_two():
    gradients = torch.randn(3, 5)
    labelled = torch.tensor([True, False, True])
    mean = make("Mean", gives_mean=True).aggregate(gradients, labelled)
    torch.testing.assert_close(mean, gradients[0] + gradients[2])
    conflicting = torch.tensor([[1.0, 0.0], [9.0, 9.0], [-1.0, 1.0]])
    pair = make("PCGrad", TASKS[:2]).aggregate(conflicting[[0, 2]], ALL[:2])
    torch.testing.assert_close(make("PCGrad").aggregate(conflicting, labelled), pair)


@pytest.mark.parametrize("labelled", [[True, False, False], [False, False, False]])
def test_one_gradient_or_none_is_not_aggregated(labelled):
    gradients = torch.randn(3, 5)
    weighting = make("MGDA", gives_mean=True)
    combined = weighting.aggregate(gradients, torch.tensor(labelled))
    assert torch.equal(combined, gradients[0] if labelled[0] else torch.zeros(5))
    assert weighting.weights().tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("aggregator", ["IMTLG", "MGDA", "UPGrad"])
def test_gradients_of_zero_stay_zero(aggregator):
    weighting = make(aggregator, gives_mean=True)
    assert weighting.aggregate(torch.zeros(3, 5), ALL).tolist() == [0.0] * 5
    assert weighting.weights().tolist() == [1.0, 1.0, 1.0]


def test_aggregate_is_computed_in_single_precision_under_autocast():
    gradients = torch.randn(3, 100).bfloat16()
    plain = make("PCGrad", TASKS[:2]).aggregate(gradients[:2].float(), ALL[:2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = make("PCGrad", TASKS[:2]).aggregate(gradients[:2], ALL[:2])
    assert halved.dtype == torch.float32
    assert torch.equal(halved, plain)


def test_effective_weights_are_those_of_least_squares():
    weighting = make("Mean", gives_mean=True)
    weighting.aggregate(torch.eye(3, 5) * math.pi, ALL)
    torch.testing.assert_close(weighting.weights(), torch.ones(3))
    weighting = make("Constant", weights=torch.tensor([0.5, 2.0, 3.0]))
    weighting.aggregate(torch.randn(3, 50), ALL)
    torch.testing.assert_close(weighting.weights(), torch.tensor([0.5, 2.0, 3.0]), rtol=1e-4, atol=1e-4)


def test_effective_weights_of_absent_tasks_stay():
    weighting = make("Mean")
    weighting.aggregate(torch.randn(3, 50), torch.tensor([True, False, True]))
    torch.testing.assert_close(weighting.weights(), torch.tensor([0.5, 1.0, 0.5]))


def test_stateful_aggregator_steps_aside_without_all_tasks_and_says_so_once(caplog):
    weighting = make("NashMTL", n_tasks=3)
    gradients = torch.randn(3, 5)
    before = weighting.get_extra_state()
    for _ in range(2):
        combined = weighting.aggregate(gradients, torch.tensor([True, False, True]))
    torch.testing.assert_close(combined, gradients[0] + gradients[2])
    (line,) = caplog.messages
    assert line.startswith(
        f"weighting: NashMTL balances all tasks or none; steps without labels, as one of {weighting.tasks[1]}"
    )
    assert str(weighting.get_extra_state()) == str(before)
    assert not torch.allclose(weighting.aggregate(gradients, ALL), gradients.sum(dim=0))


def test_state_of_an_aggregator_is_plain_and_a_copy():
    weighting = make("NashMTL", n_tasks=3)
    weighting.aggregate(torch.randn(3, 5), ALL)
    state = weighting.get_extra_state()
    arrays = [value for values in state.values() for value in values.values() if isinstance(value, torch.Tensor)]
    assert arrays
    assert all("training" not in values for values in state.values())
    before = [array.clone() for array in arrays]
    weighting.aggregate(torch.randn(3, 5), ALL)
    assert all(torch.equal(*pair) for pair in zip(arrays, before, strict=True))
    assert make("PCGrad").get_extra_state() == {}


def test_losses_are_summed_for_the_heads():
    weighting = make("MGDA", gives_mean=True)
    losses = torch.tensor([1.0, 2.0, 4.0])
    assert weighting(losses, torch.tensor([True, False, True])).item() == 5.0
    assert weighting.needs_gradients


@pytest.mark.parametrize("level", LEVELS)
def test_levels_that_are_known_are_taken(level):
    assert make("PCGrad", level=level).level == level


def test_unknown_level_is_refused():
    with pytest.raises(ParameterError) as caught:
        make("PCGrad", level="heads")
    assert str(caught.value) == "level: 'heads' given; it must be one of embedding, parameters"


class Encoder(nn.Module):
    """Two layers, the first of which may be frozen."""

    def __init__(self):
        super().__init__()
        self.lower, self.upper = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, inputs):
        return self.upper(torch.tanh(self.lower(inputs)))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_surrogate_loss_is_zero_with_the_aggregate_as_gradient(level, frozen):
    encoder, inputs = Encoder(), torch.randn(6, 4)
    encoder.lower.requires_grad_(not frozen)
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    weights = torch.tensor([0.5, -2.0, 3.0])
    weighting = make("Constant", level=level, weights=weights)
    embeddings = encoder(inputs)
    directions = torch.randn(3, 18)
    losses = [(embeddings.flatten() * direction).sum() for direction in directions]
    expected = torch.autograd.grad(
        sum(w * loss for w, loss in zip(weights, losses, strict=True)), parameters, retain_graph=True
    )
    loss = surrogate_loss(weighting, encoder, embeddings, directions, ALL)
    assert loss.item() == 0.0
    loss.backward()
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
    assert (encoder.lower.weight.grad is None) == frozen


def test_surrogate_loss_aggregates_at_the_level_asked_for():
    """At the parameters PCGrad projects other vectors than at the embedding."""
    encoder, inputs = Encoder(), torch.randn(6, 4)
    parameters = list(encoder.parameters())
    directions = torch.randn(3, 18)
    directions[1] = -directions[0] + 0.1 * directions[1]
    labelled = torch.tensor([True, True, False])
    embeddings = encoder(inputs)
    rows = [torch.autograd.grad(embeddings, parameters, d.view(6, 3), retain_graph=True) for d in directions]
    matrix = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
    at_parameters = make("PCGrad").aggregate(matrix, labelled)
    at_embedding = make("PCGrad").aggregate(directions, labelled).view(6, 3)
    expected = {
        "parameters": at_parameters,
        "embedding": torch.cat(
            [part.flatten() for part in torch.autograd.grad(embeddings, parameters, at_embedding, retain_graph=True)]
        ),
    }
    assert not torch.allclose(*expected.values(), rtol=1e-2)
    for level in LEVELS:
        encoder.zero_grad()
        surrogate_loss(make("PCGrad", level=level), encoder, encoder(inputs), directions, labelled).backward()
        ours = torch.cat([parameter.grad.flatten() for parameter in parameters])
        torch.testing.assert_close(ours, expected[level], rtol=1e-4, atol=1e-5)
