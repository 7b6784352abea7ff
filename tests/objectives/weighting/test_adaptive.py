import math

import pytest
import torch
from support.commands import ROOT
from torchjd import scalarization

from polyhead.errors import UserError
from polyhead.objectives.weighting import (
    Aggregation,
    DynamicAverage,
    Famo,
    GradNorm,
    InverseLossSoftmax,
    Scalarized,
    Weighting,
)

TASKS = ("category", "sentiment")
ALL = torch.tensor([True, True])


def weights(weighting, losses, labelled=ALL, gradients=None):
    weighting(torch.tensor(losses), labelled, gradients)
    return weighting.weights().tolist()


def test_dynamic_average_by_hand():
    weighting = DynamicAverage(TASKS, temperature=2.0)
    for losses in ([4.0, 1.0], [2.0, 3.0]):  # means 3 and 2
        assert weights(weighting, losses) == [1.0, 1.0]
    weighting.end_epoch()
    assert weights(weighting, [1.5, 2.0]) == [1.0, 1.0]  # one epoch makes no ratio
    weighting.end_epoch()
    ratios = torch.tensor([1.5 / 3, 2.0 / 2])
    assert weights(weighting, [9.0, 9.0]) == pytest.approx((2 * torch.softmax(ratios / 2, 0)).tolist())


def test_dynamic_average_keeps_what_it_knows_of_a_task_that_had_no_labels_for_an_epoch():
    weighting = DynamicAverage(TASKS, temperature=2.0)
    for losses in ([2.0, 2.0], [1.0, 2.0]):
        weights(weighting, losses)
        weighting.end_epoch()
    weights(weighting, [0.5, 0.0], torch.tensor([True, False]))
    weighting.end_epoch()
    assert weighting.last.tolist() == [0.5, 2.0]
    assert weighting.before_last.tolist() == [1.0, 2.0]


def test_inverse_losses_by_hand():
    weighting = InverseLossSoftmax(TASKS, temperature=2.0)
    expected = 2 * torch.softmax(torch.tensor([1 / (2 * 0.5), 1 / (2 * 2.0)]), 0)
    assert weights(weighting, [0.5, 2.0]) == pytest.approx(expected.tolist())


def test_famo_agrees_with_torchjd_where_the_next_batch_is_the_same():
    """TorchJD looks at the same batch after the step; on a single batch that is what the next step sees."""
    ours, theirs = Famo(TASKS, lr=0.025, weight_decay=1e-3), scalarization.FAMO(2, lr=0.025, weight_decay=1e-3)
    losses = torch.rand(8, 2) + 0.1
    for step, row in enumerate(losses):
        if step:
            theirs.update(row)
        leaf = row.clone().requires_grad_()
        (expected,) = torch.autograd.grad(theirs(leaf), leaf)
        assert weights(ours, row.tolist()) == pytest.approx((2 * expected).tolist(), rel=1e-4)


def test_famo_gives_more_to_the_loss_that_falls_more_slowly():
    weighting = Famo(TASKS, lr=0.1, weight_decay=0.0)
    for step in range(10):
        weights(weighting, [0.9**step, 0.5**step])
    shares = torch.softmax(weighting.logits, 0)
    assert shares[0] > 0.6


@pytest.mark.parametrize("factor", [1e-2, 1e2])
def test_the_geometric_mean_does_not_see_the_scale_of_a_loss(factor):
    weighting = Scalarized(TASKS, "GeometricMean", {})
    losses = torch.tensor([0.5, 2.0])
    scaled = losses * torch.tensor([factor, 1.0])
    plain = torch.tensor(weights(weighting, losses.tolist())) * losses
    after = torch.tensor(weights(weighting, scaled.tolist())) * scaled
    torch.testing.assert_close(after / after.sum(), plain / plain.sum())


def test_smooth_tchebycheff_looks_at_the_worst_task_as_mu_falls():
    sharp = weights(Scalarized(TASKS, "STCH", {"mu": 0.01}), [1.0, 2.0])
    assert sharp == pytest.approx([0.0, 1.0], abs=1e-6)
    smooth = weights(Scalarized(TASKS, "STCH", {"mu": 100.0}), [1.0, 2.0])
    assert smooth == pytest.approx([0.5, 0.5], abs=0.01)


def test_random_weights_are_drawn_anew_and_sum_to_the_number_of_tasks():
    weighting = Scalarized(TASKS, "Random", {})
    drawn = [weights(weighting, [1.0, 1.0]) for _ in range(200)]
    assert all(sum(pair) == pytest.approx(2.0) for pair in drawn)
    assert len({pair[0] for pair in drawn}) == 200
    assert sum(pair[0] for pair in drawn) / 200 == pytest.approx(1.0, abs=0.1)


def gradients(first, second):
    return torch.stack([torch.full((4,), first / 2), torch.full((4,), second / 2)])  # norms as given


def test_gradnorm_brings_the_weighted_norms_together():
    weighting = GradNorm(TASKS, alpha=0.0, lr=0.02)
    for _ in range(300):
        set_class_weights = weights(weighting, [1.0, 1.0], gradients=gradients(4.0, 1.0))
    assert set_class_weights == pytest.approx([0.4, 1.6], abs=0.05)
    assert sum(set_class_weights) == pytest.approx(2.0)


def test_gradnorm_gives_more_to_the_task_that_has_learned_less():
    weighting = GradNorm(TASKS, alpha=1.0, lr=0.02)
    weights(weighting, [1.0, 1.0], gradients=gradients(1.0, 1.0))
    for _ in range(300):
        set_class_weights = weights(weighting, [1.0, 0.25], gradients=gradients(1.0, 1.0))
    assert set_class_weights == pytest.approx([1.6, 0.4], abs=0.05)  # rates of training 1.6 and 0.4 of their mean


def test_gradnorm_stays_where_it_is_without_shared_gradients():
    weighting = GradNorm(TASKS, alpha=1.0, lr=0.02)
    assert weights(weighting, [1.0, 3.0]) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DynamicAverage(TASKS, temperature=0.0), "weighting.temperature: 0.0 given"),
        (lambda: InverseLossSoftmax(TASKS, temperature=-1.0), "weighting.temperature: -1.0 given"),
        (lambda: Famo(TASKS, lr=0.0, weight_decay=0.0), "weighting.lr: 0.0 given"),
        (lambda: Famo(TASKS, lr=0.1, weight_decay=-1.0), "weighting.weight_decay: -1.0 given"),
        (lambda: GradNorm(TASKS, alpha=-1.0, lr=0.1), "alpha must be 0 or more"),
        (
            lambda: Scalarized(TASKS, "GeometricMeen", {}),
            "TorchJD has no 'GeometricMeen'; did you mean 'GeometricMean'",
        ),
        (lambda: Scalarized(TASKS, "STCH", {"mu": -1.0}), "weighting.settings: {'mu': -1.0} given"),
        (lambda: Scalarized(TASKS, "STCH", {}), "weighting.settings: {} given"),
        (lambda: Aggregation(TASKS, "PCGrat", {}, "embedding", False), "TorchJD has no 'PCGrat'"),
        (lambda: Aggregation(TASKS, "PCGrad", {}, "heads", False), "weighting.level: 'heads' given"),
    ],
)
def test_wrong_settings_are_refused(build, message):
    with pytest.raises(UserError, match=message):
        build()


def test_without_torchjd_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchjd.scalarization", None)
    with pytest.raises(UserError, match=r'is not installed; run: pip install "polyhead\[balancing\]"'):
        Scalarized(TASKS, "Random", {})


def test_the_rule_that_the_docs_add_works_as_they_say():
    text = (ROOT / "docs" / "weighting.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) <= 10
    names = {"Weighting": Weighting}
    exec(code, names)
    rule = names["Worst"](TASKS)
    assert weights(rule, [1.0, 3.0]) == [0.0, 1.0]
    assert weights(rule, [1.0, 0.0], torch.tensor([True, False]))[0] == 1.0


def test_effective_weights_of_aggregation_are_least_squares():
    weighting = Aggregation(TASKS, "Mean", {}, "embedding", True)
    weighting.aggregate(torch.eye(2, 5) * math.pi, ALL)
    torch.testing.assert_close(weighting.weights(), torch.ones(2))
