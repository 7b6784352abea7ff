"""Added classes: the rows that a head gets for new classes, while those of its old classes stay.

Shapes: N rows, W units of an embedding, C classes of the task, A of them added.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from polyhead.models.multitask import MultiTaskModel
from polyhead.training.head_problem import RowLoss
from polyhead.training.penalty_trial import TaskRows

_STEPS = 500  # of L-BFGS, at most


def solve_added_classes(
    model: MultiTaskModel, task: str, added: Sequence[int], loss: RowLoss, rows: TaskRows, penalty: float
) -> None:
    """Set the rows of added classes to the minimum of the loss plus an L2 penalty on them, the other rows as they are.

    It is the convex problem of :class:`polyhead.training.head_solver.HeadSolver` with most of its variables held.

    Args:
        model: whose head it is; it acts on the embeddings times the model's scale.
        task: of the head.
        added: indices of the added classes (A,).
        loss: convex in the logits.
        rows: training rows of the task, which need not all be labelled.
        penalty: on half the squared norm of the added rows, beside the sum of the losses; above 0.
    """
    linear = cast(nn.Linear, cast(nn.Sequential, model.heads[task])[-1])
    places = torch.tensor(added)
    features, labels = rows.embeddings[rows.counted].double(), rows.labels[rows.counted]  # (N, W), (N,)
    shares = torch.ones(len(labels), dtype=torch.double) if rows.weights is None else rows.weights[rows.counted]
    shares = shares / shares.sum()
    fixed = features @ linear.weight.detach().cpu().double().T * model.scale + linear.bias.detach().cpu().double()
    center = features.mean(dim=0)
    weight = torch.zeros(len(added), features.shape[1], dtype=torch.double, requires_grad=True)  # (A, W)
    bias = torch.zeros(len(added), dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, tolerance_grad=1e-7, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        logits = fixed.index_copy(1, places, (features - center) @ weight.T + bias)
        value = (shares * loss(logits, labels)).sum() + penalty / (2 * len(labels)) * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        linear.weight[places] = (weight / model.scale).to(linear.weight)
        linear.bias[places] = (bias - weight @ center).to(linear.bias)
