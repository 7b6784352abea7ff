import math

import pytest
import torch

from polyhead.errors import ParameterError
from polyhead.objectives.weighting import GradNorm, Uncertainty

TASKS = ("category", "sentiment")
ALL = torch.tensor([True, True])
FIRST = torch.tensor([True, False])


def test_uncertainty_by_hand():
    weighting = Uncertainty(TASKS)
    with torch.no_grad():
        weighting.log_variances.copy_(torch.tensor([0.0, math.log(4)]))
    total = weighting(torch.tensor([1.0, 3.0]), ALL)
    torch.testing.assert_close(total.item(), 1.0 + 3.0 / 4 + math.log(4) / 2)
    total.backward()
    torch.testing.assert_close(weighting.log_variances.grad, torch.tensor([-1.0 + 0.5, -3.0 / 4 + 0.5]))


def test_uncertainty_of_a_task_without_labels_stays():
    weighting = Uncertainty(TASKS)
    with torch.no_grad():
        weighting.log_variances.fill_(1.0)
    total = weighting(torch.tensor([1.0, 0.0]), FIRST)
    total.backward()
    assert total.item() == pytest.approx(math.exp(-1) + 0.5)
    assert weighting.log_variances.grad[1] == 0


def test_uncertainty_starts_at_equal_weights_and_settles_where_the_paper_says():
    weighting = Uncertainty(TASKS)
    assert weighting.weights().tolist() == [1.0, 1.0]
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.5)
    losses = torch.tensor([0.25, 2.0])
    for _ in range(200):
        optimizer.zero_grad()
        weighting(losses, ALL).backward()
        optimizer.step()
    at_the_minimum = 1 / (2 * losses)  # sigma^2 = 2 L
    torch.testing.assert_close(weighting.weigh(losses, ALL, None).detach(), at_the_minimum)


def test_uncertainty_resumes():
    first, second = Uncertainty(TASKS), Uncertainty(TASKS)
    with torch.no_grad():
        first.log_variances.fill_(0.3)
    second.load_state_dict(first.state_dict())
    losses = torch.tensor([1.0, 3.0])
    assert torch.equal(first(losses, ALL), second(losses, ALL))


def reference_gradnorm(weights, losses, first_losses, norms, alpha, lr):
    """Take a step by the derivative of the paper's loss of the weights, its target held fixed."""
    weights = weights.double().requires_grad_()
    weighted = weights * norms
    progress = losses / first_losses
    target = (weighted.mean() * (progress / progress.mean()) ** alpha).detach()
    (slope,) = torch.autograd.grad((weighted - target).abs().sum(), weights)
    moved = weights.detach() - lr * slope / norms.mean()
    return moved * len(moved) / moved.sum()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.5])
def test_gradnorm_follows_the_derivative_of_the_papers_loss(alpha):
    weighting = GradNorm(("a", "b", "c"), alpha=alpha, lr=0.03)
    labelled = torch.tensor([True, True, True])
    losses, gradients = torch.rand(6, 3) + 0.2, torch.randn(6, 3, 10)
    expected = torch.ones(3)
    for step in range(6):
        norms = gradients[step].double().square().sum(dim=1).sqrt()
        expected = reference_gradnorm(expected, losses[step].double(), losses[0].double(), norms, alpha, lr=0.03)
        total = weighting(losses[step], labelled, gradients[step])
        assert weighting.weights().tolist() == pytest.approx(expected.tolist(), rel=1e-4)
        assert total.item() == pytest.approx((expected @ losses[step].double()).item(), rel=1e-4)


def gradients_with_norms(first, second):
    return torch.stack([torch.full((4,), first / 2), torch.full((4,), second / 2)])


def train(weighting, losses, gradients, steps=300):
    for _ in range(steps):
        weighting(torch.tensor(losses), ALL, gradients)
    return weighting.weights().tolist()


def test_gradnorm_brings_the_weighted_norms_together():
    weights = train(GradNorm(TASKS, alpha=0.0, lr=0.02), [1.0, 1.0], gradients_with_norms(4.0, 1.0))
    assert weights == pytest.approx([0.4, 1.6], abs=0.05)


def test_gradnorm_gives_more_to_the_task_that_has_learned_less():
    weighting = GradNorm(TASKS, alpha=1.0, lr=0.02)
    equal = gradients_with_norms(1.0, 1.0)
    weighting(torch.tensor([1.0, 1.0]), ALL, equal)
    # The ratios of the losses are 1 and 1/4: 1.6 and 0.4 of their mean.
    assert train(weighting, [1.0, 0.25], equal) == pytest.approx([1.6, 0.4], abs=0.05)


def test_gradnorm_measures_progress_from_each_tasks_first_loss():
    weighting = GradNorm(TASKS, alpha=1.0, lr=0.02)
    equal = gradients_with_norms(1.0, 1.0)
    weighting(torch.tensor([4.0, 0.0]), FIRST, equal)
    weighting(torch.tensor([9.0, 2.0]), ALL, equal)
    assert weighting.first_losses.tolist() == [4.0, 2.0]


def test_gradnorm_does_not_move_a_task_without_labels_but_scales_it():
    weighting = GradNorm(("a", "b", "c"), alpha=0.0, lr=0.1)
    gradients = torch.tensor([[3.0], [0.0], [1.0]])
    weighting(torch.ones(3), torch.tensor([True, False, True]), gradients)
    # Norms 3 and 1 around their mean 2: slopes 1.5 and -0.5, weights 0.85 and 1.05, beside the third's 1 scaled to 3.
    moved = torch.tensor([0.85, 1.0, 1.05])
    moved *= 3 / moved.sum()
    moved[1] = 1.0
    assert weighting.weights().tolist() == pytest.approx((moved * 3 / moved.sum()).tolist())


def test_gradnorm_keeps_weights_above_zero_with_the_sum_of_the_tasks():
    weights = train(GradNorm(TASKS, alpha=0.0, lr=10.0), [1.0, 1.0], gradients_with_norms(1000.0, 1.0), steps=5)
    assert min(weights) > 0
    assert sum(weights) == pytest.approx(2.0)


@pytest.mark.parametrize("labelled", [ALL, torch.tensor([False, False])])
def test_gradnorm_stays_where_it_is_without_gradients_or_labels(labelled):
    weighting = GradNorm(TASKS, alpha=1.0, lr=0.02)
    train(weighting, [1.0, 1.0], gradients_with_norms(4.0, 1.0), steps=3)
    before = weighting.weights()
    assert before.tolist() != [1.0, 1.0]
    weighting(torch.tensor([1.0, 3.0]), labelled, None if labelled.any() else gradients_with_norms(1.0, 1.0))
    torch.testing.assert_close(weighting.weights(), before)


def test_gradnorm_needs_gradients():
    assert GradNorm.needs_gradients is True


@pytest.mark.parametrize(
    ("alpha", "lr", "message"),
    [
        (-1.0, 0.0, "alpha: -1.0 given; it must be 0 or more\nlr: 0.0 given; it must be above 0"),
        (0.0, -0.1, "lr: -0.1 given; it must be above 0"),
    ],
)
def test_gradnorm_refuses_settings_out_of_range(alpha, lr, message):
    with pytest.raises(ParameterError) as caught:
        GradNorm(TASKS, alpha=alpha, lr=lr)
    assert str(caught.value) == message
