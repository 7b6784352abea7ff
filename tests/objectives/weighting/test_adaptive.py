import math

import pytest
import torch
from torchjd import scalarization

from polyhead.errors import ParameterError
from polyhead.objectives.weighting import DynamicAverage, Famo, InverseLossSoftmax

TASKS = ("category", "sentiment")
ALL = torch.tensor([True, True])
FIRST = torch.tensor([True, False])
NONE = torch.tensor([False, False])


def weights(weighting, losses, labelled=ALL):
    weighting(torch.tensor(losses), labelled)
    return weighting.weights().tolist()


def test_dynamic_average_by_hand():
    weighting = DynamicAverage(TASKS, temperature=2.0)
    for losses in ([4.0, 1.0], [2.0, 3.0]):  # means 3 and 2
        assert weights(weighting, losses) == [1.0, 1.0]
    weighting.end_epoch()
    assert weights(weighting, [1.5, 2.0]) == [1.0, 1.0]  # one epoch makes no ratio
    weighting.end_epoch()
    ratios = torch.tensor([1.5 / 3, 2.0 / 2])
    expected = (2 * torch.softmax(ratios / 2, 0)).tolist()
    assert weights(weighting, [9.0, 9.0]) == pytest.approx(expected)
    assert weights(weighting, [0.1, 5.0]) == pytest.approx(expected)  # the same throughout the epoch
    weighting.end_epoch()
    ratios = torch.tensor([(9.1 / 2) / 1.5, (14.0 / 2) / 2.0])
    assert weights(weighting, [1.0, 1.0]) == pytest.approx((2 * torch.softmax(ratios / 2, 0)).tolist())


def test_dynamic_average_is_over_the_batches_with_labels():
    weighting = DynamicAverage(TASKS, temperature=1.0)
    for losses, labelled in (([2.0, 6.0], ALL), ([4.0, 0.0], FIRST), ([3.0, 8.0], ALL)):
        weights(weighting, losses, labelled)
    weighting.end_epoch()
    assert weighting.last.tolist() == [3.0, 7.0]


def test_dynamic_average_takes_the_ratio_of_an_unknown_task_for_one():
    weighting = DynamicAverage(TASKS, temperature=1.0)
    for losses in ([4.0, 0.0], [2.0, 0.0]):
        weights(weighting, losses, FIRST)
        weighting.end_epoch()
    expected = 2 * torch.softmax(torch.tensor([0.5, 1.0]), 0)
    assert weights(weighting, [1.0, 1.0]) == pytest.approx(expected.tolist())


def test_dynamic_average_keeps_the_means_of_a_task_without_labels_for_an_epoch():
    weighting = DynamicAverage(TASKS, temperature=2.0)
    for losses in ([2.0, 2.0], [1.0, 2.0]):
        weights(weighting, losses)
        weighting.end_epoch()
    weights(weighting, [0.5, 0.0], FIRST)
    weighting.end_epoch()
    assert weighting.last.tolist() == [0.5, 2.0]
    assert weighting.before_last.tolist() == [1.0, 2.0]


def test_dynamic_average_of_a_solved_task_is_finite():
    weighting = DynamicAverage(TASKS, temperature=1.0)
    for losses in ([0.0, 2.0], [0.0, 1.0]):
        weights(weighting, losses)
        weighting.end_epoch()
    expected = 2 * torch.softmax(torch.tensor([0.0, 0.5]), 0)  # a ratio of 0 to the least loss there is
    assert weights(weighting, [0.0, 1.0]) == pytest.approx(expected.tolist())


def test_inverse_loss_softmax_by_hand():
    weighting = InverseLossSoftmax(TASKS, temperature=2.0)
    expected = 2 * torch.softmax(torch.tensor([1 / (2 * 0.5), 1 / (2 * 2.0)]), 0)
    assert weights(weighting, [0.5, 2.0]) == pytest.approx(expected.tolist())


def test_inverse_loss_softmax_shares_among_the_tasks_with_labels():
    weighting = InverseLossSoftmax(("a", "b", "c"), temperature=1.0)
    labelled = torch.tensor([True, False, True])
    total = weighting(torch.tensor([0.5, 0.0, 2.0]), labelled)
    shares = 2 * torch.softmax(torch.tensor([2.0, 0.5]), 0)
    assert weighting.weights()[[0, 2]].tolist() == pytest.approx(shares.tolist())
    assert total.item() == pytest.approx((shares @ torch.tensor([0.5, 2.0])).item())
    assert weighting.weigh(torch.zeros(3), torch.tensor([False] * 3), None).tolist() == [0.0, 0.0, 0.0]


def test_inverse_loss_softmax_of_a_loss_of_zero_is_all_of_it():
    assert weights(InverseLossSoftmax(TASKS, temperature=1.0), [0.0, 1.0]) == [2.0, 0.0]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_famo_agrees_with_torchjd_where_the_next_batch_is_the_same(decay):
    """TorchJD looks at the same batch after the step; on a single batch that is what the next step sees."""
    ours, theirs = Famo(TASKS, lr=0.025, weight_decay=decay), scalarization.FAMO(2, lr=0.025, weight_decay=decay)
    losses = torch.rand(30, 2) + 0.1
    for step, row in enumerate(losses):
        if step:
            theirs.update(row)
        leaf = row.clone().requires_grad_()
        (expected,) = torch.autograd.grad(theirs(leaf), leaf)
        assert weights(ours, row.tolist()) == pytest.approx((2 * expected).tolist(), rel=1e-4)


def test_famo_first_step_by_hand():
    weighting = Famo(TASKS, lr=0.1, weight_decay=0.0)
    assert weights(weighting, [2.0, 0.5]) == pytest.approx([0.4, 1.6])  # 1/L, scaled to the sum 2
    weights(weighting, [1.0, 0.5])
    # The first fell, the second did not: Adam's first step is the learning rate in the direction of the slope's sign.
    assert weighting.logits.tolist() == pytest.approx([-0.1, 0.1], rel=1e-4)


def test_famo_step_is_damped_where_the_losses_hardly_move():
    weighting = Famo(TASKS, lr=0.1, weight_decay=0.0)
    weights(weighting, [1.0, 1.0])
    weights(weighting, [1.0 - 2**-22, 1.0])
    slope = 2**-22 / 4  # z (fall - mean fall) with z a half
    step = 0.1 * slope / (slope + 1e-8)  # Adam's epsilon
    assert weighting.logits.tolist() == pytest.approx([-step, step], rel=1e-3)


def test_famo_gives_more_to_the_loss_that_falls_more_slowly():
    weighting = Famo(TASKS, lr=0.1, weight_decay=0.0)
    for step in range(10):
        weights(weighting, [0.9**step, 0.5**step])
    shares = torch.softmax(weighting.logits, 0)
    assert shares[0] > 0.6


def test_famo_weight_decay_draws_the_logits_to_zero():
    free, decayed = (Famo(TASKS, lr=0.1, weight_decay=decay) for decay in (0.0, 1.0))
    for step in range(10):
        for weighting in (free, decayed):
            weights(weighting, [0.9**step, 0.5**step])
    assert 0 < decayed.logits[0] < free.logits[0]


def test_famo_takes_no_fall_from_a_step_without_labels():
    weighting = Famo(TASKS, lr=0.1, weight_decay=0.0)
    weights(weighting, [1.0, 1.0])
    weights(weighting, [1.0, 0.0], FIRST)  # no fall of the first, and none known of the second
    assert weighting.logits.tolist() == [0.0, 0.0]
    assert weighting.last.tolist() == [1.0, pytest.approx(math.nan, nan_ok=True)]
    weights(weighting, [1.0, 1e-3])  # the second is back: how far it fell is not known
    assert weighting.logits.tolist() == [0.0, 0.0]
    assert weighting.steps == 2


def test_famo_shares_among_the_tasks_with_labels():
    weighting = Famo(("a", "b", "c"), lr=0.1, weight_decay=0.0)
    total = weighting(torch.tensor([0.5, 0.0, 2.0]), torch.tensor([True, False, True]))
    assert weighting.weights()[[0, 2]].tolist() == pytest.approx([1.6, 0.4])
    assert total.item() == pytest.approx(1.6)
    assert weighting.weigh(torch.zeros(3), torch.tensor([False] * 3), None).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DynamicAverage(TASKS, temperature=0.0), "temperature: 0.0 given; it must be above 0"),
        (lambda: InverseLossSoftmax(TASKS, temperature=-1.0), "temperature: -1.0 given; it must be above 0"),
        (lambda: InverseLossSoftmax(TASKS, temperature=0.0), "temperature: 0.0 given; it must be above 0"),
        (
            lambda: Famo(TASKS, lr=0.0, weight_decay=-1.0),
            "lr: 0.0 given; it must be above 0\nweight_decay: -1.0 given; it must be 0 or more",
        ),
    ],
)
def test_adaptive_rules_refuse_settings_out_of_range(build, message):
    with pytest.raises(ParameterError) as caught:
        build()
    assert str(caught.value) == message
