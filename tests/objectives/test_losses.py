import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from polyhead.errors import UserError
from polyhead.objectives.losses import MultiTaskLoss, class_weights, cross_entropy_per_task
from polyhead.tasks import MISSING, Task


def test_the_mean_runs_over_labelled_rows_only():
    logits = {"a": torch.tensor([[0.0, 0.0], [5.0, 5.0], [math.log(3), 0.0]]), "b": torch.zeros(3, 4)}
    labels = {"a": torch.tensor([0, MISSING, 0]), "b": torch.tensor([1, 2, 3])}
    losses, rows = cross_entropy_per_task(logits, labels)
    by_hand = [(math.log(2) + math.log(4 / 3)) / 2, math.log(4)]
    torch.testing.assert_close(losses, torch.tensor(by_hand))
    assert rows.tolist() == [2, 3]


def test_a_task_without_labels_has_loss_zero_and_gradient_zero():
    logits = torch.randn(3, 2, requires_grad=True)
    losses, rows = cross_entropy_per_task({"a": logits}, {"a": torch.full((3,), MISSING)})
    losses.sum().backward()
    assert losses.tolist() == [0.0]
    assert rows.tolist() == [0]
    assert logits.grad.tolist() == [[0.0, 0.0]] * 3


def test_the_loss_falls_as_the_true_logit_rises():
    labels = {"a": torch.tensor([1])}
    low, high = (cross_entropy_per_task({"a": torch.tensor([[0.0, x]])}, labels)[0] for x in (1.0, 2.0))
    assert high < low


A, B = Task("a", ("x", "y", "z")), Task("b", ("p", "q"))
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = {"a": torch.randn(20, 3, generator=GENERATOR), "b": torch.randn(20, 2, generator=GENERATOR)}
LABELS = {name: torch.randint(0, tensor.shape[1], (20,), generator=GENERATOR) for name, tensor in LOGITS.items()}
LABELS["a"][::4] = MISSING


def losses(label_smoothing=0.0, beta=0.0, gamma=0.0, scale=1.0):
    made = MultiTaskLoss(label_smoothing, beta, gamma, (A, B), scale)
    made.set_class_weights({name: column.numpy() for name, column in LABELS.items()})
    return made


def test_with_nothing_set_it_is_cross_entropy():
    ours, theirs = losses()(LOGITS, LABELS), cross_entropy_per_task(LOGITS, LABELS)
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))


def test_label_smoothing_is_torchs():
    expected = [cross_entropy(LOGITS[t], LABELS[t], label_smoothing=s) for t, s in (("a", 0.2), ("b", 0.2))]
    torch.testing.assert_close(losses(label_smoothing=0.2)(LOGITS, LABELS)[0], torch.stack(expected))


def test_a_knob_may_name_its_task():
    expected = torch.stack(
        [cross_entropy(LOGITS["a"], LABELS["a"]), cross_entropy(LOGITS["b"], LABELS["b"], label_smoothing=0.2)]
    )
    torch.testing.assert_close(losses(label_smoothing={"b": 0.2})(LOGITS, LABELS)[0], expected)


def test_a_scale_multiplies_the_loss_of_its_task_alone():
    plain, scaled = (made(LOGITS, LABELS)[0] for made in (losses(gamma=2.0), losses(gamma=2.0, scale={"b": 100.0})))
    torch.testing.assert_close(scaled, plain * torch.tensor([1.0, 100.0]))


def test_focal_loss_by_hand():
    for task in ("a", "b"):
        rows = [(p[y].item(), y) for p, y in zip(LOGITS[task].softmax(1), LABELS[task], strict=True) if y != MISSING]
        by_hand = sum(-((1 - p) ** 2.5) * math.log(p) for p, _ in rows) / len(rows)
        ours = losses(gamma={task: 2.5})(LOGITS, LABELS)[0]["ab".index(task)]
        torch.testing.assert_close(ours.item(), by_hand, rtol=1e-5, atol=0)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_a_sure_prediction_has_a_gradient(gamma):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    MultiTaskLoss(0.0, 0.0, gamma, (B,))({"b": logits}, {"b": labels})[0].sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[1].abs().sum() > 0


def test_class_weights_are_those_of_effective_numbers():
    counts = np.array([1000, 100, 10, 0])
    cui = np.array([(1 - 0.999) / (1 - 0.999**n) if n else 0.0 for n in counts])
    ours = class_weights(counts, 0.999)
    np.testing.assert_allclose(ours / ours[0], cui / cui[0], rtol=1e-9)
    assert (ours * counts).sum() / counts.sum() == pytest.approx(1)
    np.testing.assert_allclose(class_weights(counts, 0.0)[:3], 1)
    nearly = class_weights(counts, 1 - 1e-9)
    np.testing.assert_allclose(nearly[:3] * counts[:3], nearly[0] * 1000, rtol=1e-5)


def test_class_balanced_loss_is_the_weighted_mean():
    counts = np.bincount(LABELS["b"].numpy())
    weights = torch.from_numpy(class_weights(counts, 0.9)).float()
    plain = cross_entropy(LOGITS["b"], LABELS["b"], reduction="none")
    ours = losses(beta={"b": 0.9})(LOGITS, LABELS)[0]
    torch.testing.assert_close(ours[1], (plain * weights[LABELS["b"]]).mean())
    torch.testing.assert_close(ours[0], cross_entropy(LOGITS["a"], LABELS["a"]))


def test_without_a_label_a_special_loss_is_zero_with_a_gradient_too():
    logits = {name: tensor.clone().requires_grad_() for name, tensor in LOGITS.items()}
    none = {name: torch.full((20,), MISSING) for name in LOGITS}
    values, rows = losses(0.1, 0.9, 2.0)(logits, none)
    values.sum().backward()
    assert values.tolist() == [0.0, 0.0]
    assert rows.tolist() == [0, 0]
    assert all((tensor.grad == 0).all() for tensor in logits.values())


def test_class_weights_are_not_saved():
    assert losses(beta=0.9).state_dict() == {}
    assert len(list(losses(beta=0.9).buffers())) == 2


def test_all_that_is_out_of_range_is_told_at_once():
    with pytest.raises(UserError) as caught:
        MultiTaskLoss(1.0, {"a": -0.5, "c": 0.5}, {"b": "two"}, (A, B), {"a": 0.0})
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        "loss.label_smoothing: 1.0 given",
        "loss.beta: unknown task 'c'",
        "loss.beta.a: -0.5 given",
        "loss.gamma.b: 'two' given",
        "loss.scale.a: 0.0 given",
    ]
