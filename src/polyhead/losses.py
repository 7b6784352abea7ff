"""Losses: logits and labels -> one loss a task. Knows nothing about models or weightings.

Shapes: B sentences, C classes of a task, T tasks.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from polyhead.tasks import MISSING


def task_losses(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Compute each task's mean cross-entropy over its own labelled rows.

    Args:
        logits: (B, C) of each task.
        labels: class index (B,) of each task, ``MISSING`` where there is none.

    Returns:
        Losses (T,) in nats and the number of labelled rows (T,), in the order of ``logits``. A task without a
        labelled row has loss 0, which is still part of the graph, so that its head has a gradient of 0 and not None.
    """
    rows = torch.stack([(labels[name] != MISSING).sum() for name in logits])  # (T,)
    sums = [cross_entropy(logits[name], labels[name], ignore_index=MISSING, reduction="sum") for name in logits]
    return torch.stack(sums) / rows.clamp(min=1), rows
