import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from polyhead.errors import ParameterError, UserError
from polyhead.objectives.losses import MultiTaskLoss, check_finite, class_weights, cross_entropy_per_task
from polyhead.tasks import MISSING, Task

A, B = Task("a", ("x", "y", "z")), Task("b", ("p", "q"))
TASKS = (A, B)
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = {"a": torch.randn(20, 3, generator=GENERATOR), "b": torch.randn(20, 2, generator=GENERATOR)}
LABELS = {
    "a": torch.randint(0, 3, (20,), generator=GENERATOR),
    "b": torch.tensor([0] * 15 + [1] * 5),  # unequal classes
}
LABELS["a"][::4] = MISSING


def make_loss(label_smoothing=0.0, beta=0.0, gamma=0.0, scale=1.0):
    loss = MultiTaskLoss(label_smoothing, beta, gamma, TASKS, scale)
    loss.set_class_weights({name: column.numpy() for name, column in LABELS.items()})
    return loss


def reference(task, smoothing=0.0, beta=0.0, gamma=0.0):
    """Compute a task's loss from the formula in the class's docstring, row by row in double precision."""
    logits, labels = LOGITS[task].double().numpy(), LABELS[task].numpy()
    known = labels != MISSING
    logits, labels = logits[known], labels[known]
    classes = logits.shape[1]
    counts = np.bincount(labels, minlength=classes)
    raw = np.array([(1 - beta) / (1 - beta**n) if n else 0.0 for n in counts])
    weights = raw / (raw[labels].sum() / len(labels))  # mean over the rows 1
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        q = np.full(classes, smoothing / classes)
        q[label] += 1 - smoothing
        total += weights[label] * (1 - p[label]) ** gamma * -(q * np.log(p)).sum()
    return total / len(labels)


def test_cross_entropy_is_the_mean_over_labelled_rows_in_nats():
    logits = {"a": torch.tensor([[0.0, 0.0], [5.0, 5.0], [math.log(3), 0.0]]), "b": torch.zeros(3, 4)}
    labels = {"a": torch.tensor([0, MISSING, 0]), "b": torch.tensor([1, 2, 3])}
    losses, rows = cross_entropy_per_task(logits, labels)
    by_hand = [(math.log(2) + math.log(4 / 3)) / 2, math.log(4)]
    torch.testing.assert_close(losses, torch.tensor(by_hand))
    assert rows.tolist() == [2, 3]


def test_cross_entropy_of_one_labelled_row_is_that_rows():
    losses, rows = cross_entropy_per_task({"a": torch.zeros(2, 3)}, {"a": torch.tensor([MISSING, 1])})
    assert losses.item() == pytest.approx(math.log(3))
    assert rows.tolist() == [1]


def test_cross_entropy_without_labels_is_zero_with_a_gradient_of_zero():
    logits = torch.randn(3, 2, requires_grad=True)
    losses, rows = cross_entropy_per_task({"a": logits}, {"a": torch.full((3,), MISSING)})
    losses.sum().backward()
    assert losses.tolist() == [0.0]
    assert rows.tolist() == [0]
    assert logits.grad.tolist() == [[0.0, 0.0]] * 3


def test_multi_task_loss_is_cross_entropy_by_default():
    loss = MultiTaskLoss(0.0, 0.0, 0.0, TASKS)
    ours, theirs = loss(LOGITS, LABELS), cross_entropy_per_task(LOGITS, LABELS)
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "settings",
    [
        {"smoothing": 0.2},
        {"beta": 0.9},
        {"beta": 0.5},
        {"gamma": 2.5},
        {"gamma": 0.5},
        {"smoothing": 0.1, "beta": 0.99, "gamma": 2.0},
    ],
)
def test_multi_task_loss_follows_its_formula(settings):
    renamed = {{"smoothing": "label_smoothing"}.get(name, name): value for name, value in settings.items()}
    losses, rows = make_loss(**renamed)(LOGITS, LABELS)
    assert losses.tolist() == pytest.approx([reference("a", **settings), reference("b", **settings)], rel=1e-5)
    assert rows.tolist() == [15, 20]


def test_multi_task_loss_changes_a_named_task_alone():
    losses, _ = make_loss(label_smoothing={"b": 0.2}, beta={"b": 0.9}, gamma={"b": 1.0})(LOGITS, LABELS)
    assert losses.tolist() == pytest.approx([reference("a"), reference("b", 0.2, 0.9, 1.0)], rel=1e-5)


def test_multi_task_loss_changes_tasks_in_different_ways():
    losses, _ = make_loss(label_smoothing={"b": 0.2}, gamma={"a": 1.5})(LOGITS, LABELS)
    assert losses.tolist() == pytest.approx([reference("a", gamma=1.5), reference("b", 0.2)], rel=1e-5)


def test_multi_task_loss_smooths_as_torch_does():
    expected = [cross_entropy(LOGITS[task], LABELS[task], label_smoothing=0.2) for task in ("a", "b")]
    torch.testing.assert_close(make_loss(label_smoothing=0.2)(LOGITS, LABELS)[0], torch.stack(expected))


def test_multi_task_loss_of_one_labelled_row_is_that_rows():
    row = {"a": torch.tensor([[0.0, math.log(3), 0.0], [9.0, 0.0, 0.0]])}
    loss = MultiTaskLoss(0.0, 0.0, 2.0, (A,))
    losses, _ = loss(row, {"a": torch.tensor([1, MISSING])})
    assert losses.item() == pytest.approx((1 - 0.6) ** 2 * -math.log(0.6))


def test_scale_multiplies_the_loss_of_its_task_alone():
    plain, _ = make_loss(gamma=2.0)(LOGITS, LABELS)
    scaled, _ = make_loss(gamma=2.0, scale={"b": 100.0})(LOGITS, LABELS)
    torch.testing.assert_close(scaled, plain * torch.tensor([1.0, 100.0]))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_a_sure_prediction_has_a_finite_gradient(gamma):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    MultiTaskLoss(0.0, 0.0, gamma, (B,))({"b": logits}, {"b": labels})[0].sum().backward()
    # The wrong row has p = 0 and the slope of plain cross-entropy, a half for the mean over two rows.
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0], [-0.5, 0.5]]))


def test_multi_task_loss_without_labels_is_zero_with_a_gradient_of_zero():
    logits = {name: tensor.clone().requires_grad_() for name, tensor in LOGITS.items()}
    none = {name: torch.full((20,), MISSING) for name in LOGITS}
    values, rows = make_loss(0.1, 0.9, 2.0)(logits, none)
    values.sum().backward()
    assert values.tolist() == [0.0, 0.0]
    assert rows.tolist() == [0, 0]
    assert all((tensor.grad == 0).all() for tensor in logits.values())


def test_class_weights_are_those_of_effective_numbers():
    counts = np.array([1000, 100, 1, 0])
    cui = np.array([(1 - 0.999) / (1 - 0.999**n) if n else 0.0 for n in counts])
    ours = class_weights(counts, 0.999)
    np.testing.assert_allclose(ours, cui * counts.sum() / (cui @ counts), rtol=1e-9)


def test_class_weights_average_one_over_the_rows():
    counts = np.array([1000, 100, 1, 0])
    for beta in (0.0, 0.9, 0.9999):
        assert class_weights(counts, beta) @ counts == pytest.approx(counts.sum())


def test_class_weights_are_equal_at_beta_zero_and_inverse_to_the_counts_towards_one():
    counts = np.array([1000, 100, 1, 0])
    np.testing.assert_allclose(class_weights(counts, 0.0), [1, 1, 1, 0])
    nearly = class_weights(counts, 1 - 1e-9)
    np.testing.assert_allclose(nearly[:3] * counts[:3], counts.sum() / 3, rtol=1e-5)


def test_class_weights_of_no_rows_are_zero():
    assert class_weights(np.array([0, 0]), 0.9).tolist() == [0.0, 0.0]


def test_class_weights_have_a_place_for_classes_that_do_not_occur():
    loss = MultiTaskLoss(0.0, 0.9, 0.0, (A,))
    loss.set_class_weights({"a": np.array([0, 1, 0, MISSING])})
    np.testing.assert_allclose(loss.weights_a.numpy(), class_weights(np.array([2, 1, 0]), 0.9), rtol=1e-6)


def test_class_weights_are_set_for_tasks_with_a_beta_alone():
    loss = make_loss(beta={"b": 0.9})
    assert loss.weights_a is None
    assert loss.weights_b.dtype == torch.float32


def test_class_weights_move_with_the_module_and_are_not_saved():
    loss = make_loss(beta=0.9)
    assert loss.state_dict() == {}
    assert len(list(loss.buffers())) == 2


def test_multi_task_loss_reports_all_wrong_values_at_once():
    with pytest.raises(ParameterError) as caught:
        MultiTaskLoss(1.0, {"a": -0.5, "c": 0.5, "b": 1.0}, {"b": "two", "a": -1.0}, TASKS, {"a": 0.0, "b": math.inf})
    assert str(caught.value).splitlines() == [
        "label_smoothing: 1.0 given; it must be a number, 0 or more and below 1",
        "beta.a: -0.5 given; it must be a number, 0 or more and below 1",
        "beta: unknown task 'c'; Valid: a, b",
        "beta.b: 1.0 given; it must be a number, 0 or more and below 1",
        "gamma.b: 'two' given; it must be a number, 0 or more",
        "gamma.a: -1.0 given; it must be a number, 0 or more",
        "scale.a: 0.0 given; it must be a number, above 0",
        "scale.b: inf given; it must be a number, above 0",
    ]


def test_multi_task_loss_takes_the_bounds_that_are_allowed():
    loss = MultiTaskLoss(0.0, 0.0, 0, TASKS, 0.5)
    torch.testing.assert_close(loss(LOGITS, LABELS)[0], 0.5 * cross_entropy_per_task(LOGITS, LABELS)[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_check_finite_names_task_step_and_sentences(value):
    with pytest.raises(UserError) as caught:
        check_finite(torch.tensor([1.0, value]), TASKS, 7, torch.tensor([30, 4, 11]))
    assert str(caught.value) == (
        f"training: the loss of 'b' is {value} at step 7, in the batch of the training sentences 4, 11, 30; "
        "lower the optimizer's encoder_lr or head_lr, or look at these sentences"
    )


def test_check_finite_names_the_first_task_and_does_without_rows():
    with pytest.raises(UserError, match="the loss of 'a' is nan at step 0, in the batch; lower"):
        check_finite(torch.tensor([math.nan, math.inf]), TASKS, 0, None)


def test_check_finite_lets_finite_losses_pass():
    check_finite(torch.tensor([0.0, 1e30]), TASKS, 0, None)


def test_class_weights_by_name_are_those_of_torch_with_mean_one_over_the_rows():
    loss = MultiTaskLoss(0.0, 0.0, 0.0, TASKS, class_weights={"b": {"q": 3.0}})
    loss.set_class_weights({name: column.numpy() for name, column in LABELS.items()})
    losses, _ = loss(LOGITS, LABELS)
    reference = cross_entropy(LOGITS["b"], LABELS["b"], weight=torch.tensor([1.0, 3.0]))  # divided by the weights' sum
    torch.testing.assert_close(losses[1], reference)
    plain, _ = cross_entropy_per_task(LOGITS, LABELS)
    assert losses[0] == plain[0]
    numbers = MultiTaskLoss(0.0, 0.0, 0.0, [Task("stars", ("1", "2"))], class_weights={"stars": {2: 3.0}})
    assert numbers.class_weights == {"stars": [1.0, 3.0]}


def test_class_weights_of_wrong_names_and_values_are_refused_together():
    given = {"a": {"X": 2.0, "y": -1}, "c": {"x": 1}}
    with pytest.raises(ParameterError) as caught:
        MultiTaskLoss(0.0, 0.0, 0.0, TASKS, class_weights=given)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["class_weights.a.X", "class_weights.a.y", "class_weights"]
    with pytest.raises(ParameterError, match="all are 0"):
        MultiTaskLoss(0.0, 0.0, 0.0, TASKS, class_weights={"b": {"p": 0, "q": 0}})
    with pytest.raises(ParameterError, match="all are 0"):  # as YAML reads {stars: {1: 0, 2: 0}}
        MultiTaskLoss(0.0, 0.0, 0.0, [Task("stars", ("1", "2"))], class_weights={"stars": {1: 0, 2: 0}})


def make_full_loss():
    loss = MultiTaskLoss(0.1, 0.9, 2.0, TASKS, {"a": 3.0}, {"b": {"q": 2.0}})
    loss.set_class_weights({name: column.numpy() for name, column in LABELS.items()})
    return loss


@pytest.mark.parametrize("make", [make_loss, make_full_loss])
def test_loss_with_equal_weights_is_that_without(make):
    loss = make()
    for weight in (1.0, 0.25):
        weighted, rows = loss(LOGITS, LABELS, torch.full((20,), weight))
        plain, expected_rows = loss(LOGITS, LABELS)
        torch.testing.assert_close(weighted, plain)
        assert rows.tolist() == expected_rows.tolist()


@pytest.mark.parametrize("make", [make_loss, make_full_loss])
def test_loss_with_a_weight_of_two_has_the_row_twice_and_with_zero_not_at_all(make):
    weights = torch.ones(20)
    weights[[1, 17]], weights[[2, 6, 19]] = 2.0, 0.0
    weighted, rows = make()(LOGITS, LABELS, weights)
    chosen = torch.repeat_interleave(torch.arange(20), weights.long())
    repeated, _ = make()({n: x[chosen] for n, x in LOGITS.items()}, {n: y[chosen] for n, y in LABELS.items()})
    torch.testing.assert_close(weighted, repeated)
    assert rows.tolist() == [((LABELS[name] != MISSING) & (weights > 0)).sum() for name in ("a", "b")]


def test_loss_with_weights_is_the_weighted_mean_of_torch():
    weights = torch.rand(20, generator=torch.Generator().manual_seed(1))
    losses, _ = make_loss()(LOGITS, LABELS, weights)
    for name, found in zip(("a", "b"), losses, strict=True):
        known = LABELS[name] != MISSING
        rows = cross_entropy(LOGITS[name][known], LABELS[name][known], reduction="none")
        expected = np.average(rows.numpy(), weights=weights[known].numpy())
        assert found.item() == pytest.approx(expected, rel=1e-5)


def test_loss_with_weights_of_zero_is_zero_and_part_of_the_graph():
    logits = {name: x.clone().requires_grad_() for name, x in LOGITS.items()}
    losses, rows = make_full_loss()(logits, LABELS, torch.zeros(20))
    losses.sum().backward()
    assert (losses.tolist(), rows.tolist()) == ([0.0, 0.0], [0, 0])
    assert all((x.grad == 0).all() for x in logits.values())
