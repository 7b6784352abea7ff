"""What holds for every weighting."""

import copy

import pytest
import torch
import yaml
from hydra.utils import instantiate
from support.commands import ROOT

from polyhead.objectives.weighting import Aggregation

TASKS = ("category", "sentiment", "topic")
ALL = torch.tensor([True, True, True])
OPTIONS = sorted(path.stem for path in (ROOT / "configs" / "weighting").glob("*.yaml"))
WEIGHTS = {"category": 2.0, "sentiment": 0.5, "topic": 1.0}
RANDOM = {"random", "graddrop", "pcgrad"}  # draw numbers


def make(option, tasks=TASKS):
    node = yaml.safe_load((ROOT / "configs" / "weighting" / f"{option}.yaml").read_text())
    if option == "fixed":
        node["weights"] = {task: WEIGHTS[task] for task in tasks}
    return instantiate(node, tasks=tasks, _convert_="all")


LOSS_BASED = [option for option in OPTIONS if not isinstance(make(option), Aggregation)]
AGGREGATIONS = [option for option in OPTIONS if isinstance(make(option), Aggregation)]


def steps(weighting, losses, gradients=None, labelled=ALL):
    """Run some steps and an epoch's end between them, and return the last total and the slopes of the losses."""
    for step, row in enumerate(losses):
        torch.manual_seed(step)
        leaf = row.clone().requires_grad_()
        total = weighting(leaf, labelled, None if gradients is None else gradients[step])
        (slopes,) = torch.autograd.grad(total, leaf, retain_graph=True)
        if step % 2:
            weighting.end_epoch()
    return total.detach(), slopes


def history(count=6, tasks=3):
    generator = torch.Generator().manual_seed(1)
    losses = torch.rand(count, tasks, generator=generator) + 0.2
    return losses, torch.randn(count, tasks, 10, generator=generator)


@pytest.mark.parametrize("option", OPTIONS)
def test_total_is_a_scalar_that_every_loss_with_labels_moves(option):
    total, slopes = steps(make(option), *history())
    assert total.shape == ()
    assert total.isfinite()
    assert (slopes > 0).all()


@pytest.mark.parametrize("option", sorted(set(LOSS_BASED) - RANDOM - {"fixed"}))
def test_weights_permute_with_the_tasks(option):
    order = torch.tensor([2, 0, 1])
    losses, gradients = history()
    _, slopes = steps(make(option), losses, gradients)
    _, permuted = steps(make(option), losses[:, order], gradients[:, order])
    torch.testing.assert_close(permuted, slopes[order])


@pytest.mark.parametrize("option", LOSS_BASED)
def test_weights_shown_are_those_that_acted(option):
    weighting = make(option)
    _, slopes = steps(weighting, *history())
    torch.testing.assert_close(weighting.weights(), slopes)


@pytest.mark.parametrize("option", LOSS_BASED)
def test_task_without_labels_is_neither_solved_nor_moved(option):
    losses, gradients = history()
    labelled = torch.tensor([True, False, True])
    losses[:, 1], gradients[:, 1] = 0.0, 0.0
    weighting = make(option)
    total, slopes = steps(weighting, losses, gradients, labelled)
    assert slopes[1] == 0
    assert (slopes[[0, 2]] > 0).all()
    assert total.isfinite()
    if option not in RANDOM | {"gradnorm", "dwa", "uncertainty", "famo"}:  # those that remember weigh all tasks
        alone = make(option, ("category", "topic"))
        _, expected = steps(alone, losses[:, [0, 2]], gradients[:, [0, 2]], torch.tensor([True, True]))
        torch.testing.assert_close(slopes[[0, 2]], expected)


@pytest.mark.parametrize("option", LOSS_BASED)
def test_absent_labels_leave_no_trace_in_the_rest_of_training(option):
    """A task that comes back weighs what a task does that was away, not one that had a loss of zero."""
    weighting = make(option)
    losses, gradients = history()
    steps(weighting, losses, gradients)
    before = weighting.weights()[1].clone()
    gone, none = losses.clone(), gradients.clone()
    gone[:, 1], none[:, 1] = 0.0, 0.0
    steps(weighting, gone, none, torch.tensor([True, False, True]))
    assert all(value.isfinite().all() or option in {"famo", "dwa"} for value in weighting.state_dict().values())
    total, slopes = steps(weighting, losses[-1:], gradients[-1:])
    assert total.isfinite()
    assert 0.05 * before < slopes[1] < 20 * before


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("labelled", [[False, False, False], [True, False, False]])
def test_total_and_slopes_are_finite_with_one_task_or_none(option, labelled):
    labelled = torch.tensor(labelled)
    losses, gradients = history()
    total, slopes = steps(make(option), losses * labelled, gradients * labelled[:, None], labelled)
    assert total.isfinite()
    assert slopes.isfinite().all()
    assert (slopes[~labelled] == 0).all()


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("value", [0.0, 1e-30, 1e6])
def test_total_and_slopes_are_finite_for_zero_and_huge_losses(option, value):
    losses, gradients = history()
    losses[:, 0] = value
    weighting = make(option)
    total, slopes = steps(weighting, losses, gradients)
    assert total.isfinite()
    assert slopes.isfinite().all()


@pytest.mark.parametrize("option", LOSS_BASED)
def test_single_task_is_trained(option):
    weighting = make(option, ("category",))
    losses, gradients = history(tasks=1)
    _, slopes = steps(weighting, losses, gradients, torch.tensor([True]))
    assert slopes.item() > 0


@pytest.mark.parametrize("option", OPTIONS)
def test_copy_from_a_state_continues_bit_for_bit(option, tmp_path):
    losses, gradients = history()
    first, second = make(option), make(option)
    steps(first, losses[:3], gradients[:3])
    if isinstance(first, Aggregation):
        first.aggregate(gradients[2], ALL)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for weighting in (first, second):
        weighting.totals = steps(weighting, losses[3:], gradients[3:])
        if isinstance(weighting, Aggregation):
            torch.manual_seed(0)
            weighting.combined = weighting.aggregate(gradients[4], ALL)
    assert torch.equal(first.totals[0], second.totals[0])
    assert torch.equal(first.totals[1], second.totals[1])
    if isinstance(first, Aggregation):
        assert torch.equal(first.combined, second.combined)


@pytest.mark.parametrize("option", AGGREGATIONS)
def test_aggregate_agrees_with_torchjd_applied_by_hand(option):
    _, gradients = history()
    weighting = make(option)
    reference = copy.deepcopy(weighting.aggregator)
    torch.manual_seed(0)
    ours = weighting.aggregate(gradients[0], ALL)
    torch.manual_seed(0)
    torch.testing.assert_close(ours, reference(gradients[0]) * (3 if weighting.gives_mean else 1))


@pytest.mark.parametrize("option", AGGREGATIONS)
def test_aggregate_leaves_absent_tasks_out(option):
    _, gradients = history()
    labelled = torch.tensor([True, False, True])
    weighting = make(option)
    torch.manual_seed(0)
    combined = weighting.aggregate(gradients[0] * labelled[:, None], labelled)
    expected = gradients[0][[0, 2]].sum(dim=0)
    if option != "nash_mtl":  # its state is one for all tasks, so it steps aside
        torch.manual_seed(0)
        expected = make(option, ("category", "topic")).aggregate(gradients[0][[0, 2]], torch.tensor([True, True]))
    torch.testing.assert_close(combined, expected)


@pytest.mark.parametrize("option", AGGREGATIONS)
def test_aggregate_of_agreeing_gradients_is_their_sum(option):
    gradient = torch.randn(10)
    weighting = make(option)
    combined = weighting.aggregate(gradient.repeat(3, 1), ALL)
    cosine = torch.cosine_similarity(combined, gradient, dim=0)
    assert cosine > 0.999
    if option not in {"nash_mtl", "aligned_mtl", "cagrad"}:  # these set a length of their own
        torch.testing.assert_close(combined, 3 * gradient, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("option", AGGREGATIONS)
def test_effective_weights_rebuild_the_aggregate_where_weights_can(option):
    _, gradients = history()
    weighting = make(option)
    combined = weighting.aggregate(gradients[0], ALL)
    rebuilt = weighting.weights() @ gradients[0]
    if option == "graddrop":  # it picks numbers one by one: no weights can do that
        assert torch.cosine_similarity(rebuilt, combined, dim=0) > 0.3
    else:
        torch.testing.assert_close(rebuilt, combined, atol=1e-4, rtol=1e-3)
