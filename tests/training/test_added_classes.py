import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn.functional import cross_entropy

from polyhead.tasks import MISSING
from polyhead.training.added_classes import solve_added_classes
from polyhead.training.penalty_trial import LabeledEmbeddings

PENALTY = 0.7


def row_loss(logits, labels):
    return cross_entropy(logits, labels, reduction="none", ignore_index=MISSING)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("added", [[1], [0, 2]])
def test_added_rows_are_the_minimum_given_the_others(model, added, scale):
    """The reference is scipy's minimum of the same function, over the added rows alone."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 16, generator=generator)
    labels = torch.randint(3, (60,), generator=generator).numpy().astype(np.int32)
    labels[::7] = MISSING
    weights = np.linspace(0.5, 1.5, 60)
    model.scale = scale
    linear = model.heads["category"][-1]
    before = {name: value.clone() for name, value in linear.state_dict().items()}
    rows = LabeledEmbeddings(features, {"category": labels}, weights).of("category")
    solve_added_classes(model, "category", added, row_loss, rows, PENALTY)

    kept = [row for row in range(3) if row not in added]
    for name, value in linear.state_dict().items():
        assert torch.equal(value[kept], before[name][kept])

    known = torch.from_numpy(labels != MISSING)
    shares = torch.from_numpy(weights)[known] / weights[labels != MISSING].sum()

    def value(numbers):
        given = torch.tensor(numbers, requires_grad=True)
        found = given.view(len(added), 17)
        weight = (scale * before["weight"].double()).index_copy(0, torch.tensor(added), found[:, :-1])
        bias = before["bias"].double().index_copy(0, torch.tensor(added), found[:, -1])
        losses = row_loss(features[known].double() @ weight.T + bias, torch.from_numpy(labels).long()[known])
        total = (shares * losses).sum() + PENALTY / (2 * int(known.sum())) * found[:, :-1].square().sum()
        total.backward()
        return total.item(), given.grad.numpy()

    best = minimize(value, np.zeros(17 * len(added)), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    found = torch.cat([scale * linear.weight[added], linear.bias[added, None]], dim=1)
    np.testing.assert_allclose(found.detach().numpy().ravel(), best, atol=1e-4)
