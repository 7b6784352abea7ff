"""Step losses: what each task loses in a training step, by labels and by a teacher, at each width of the embedding.

Shapes: T tasks, B sentences of a batch, X texts of it, W units of an embedding, C logits of a task.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from polyhead.data.batch import Batch
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.distillation import Distillation
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.objectives.pair_similarity import losses_of_batch


class StepLosses(NamedTuple):
    """The losses of a step.

    Args:
        losses: to be minimized (T,): of labels and the teacher's answers, the mean over the widths that are trained.
        labelled: whether there was anything to learn from (T,).
        logits: (B, C) of each task, of the whole embedding.
        of_labels: losses of the labels alone, of the whole embedding, detached (T,).
        rows: labelled rows of each task (T,).
    """

    losses: Tensor
    labelled: Tensor
    logits: dict[str, Tensor]
    of_labels: Tensor
    rows: Tensor


def step_losses(
    model: MultiTaskModel,
    names: Sequence[str],
    loss: MultiTaskLoss,
    distillation: Distillation | None,
    batch: Batch,
    copies: Tensor,
) -> StepLosses:
    """Compute the losses of a training step.

    Kusupati et al. 2022 take the sum over the widths; the mean has the same minimum, and gradients of the size that
    those of one width have.

    Args:
        model: whose heads read the embeddings.
        names: of the tasks, in the order of the losses.
        loss: of the labels.
        distillation: of the teacher's answers, where the batch has these.
        batch: with labels.
        copies: of the embeddings, one for each task (T, X, W).
    """
    by_task = dict(zip(names, copies.unbind(), strict=True))
    first: StepLosses | None = None
    found = []
    for size in model.dimensions or (copies.shape[2],):
        read = {name: model.truncate(copy, size) for name, copy in by_task.items()}
        logits = {name: model.classify_task(name, some, batch.pairs) for name, some in read.items()}
        losses, rows = losses_of_batch(loss, read, logits, batch.labels, batch.weights)
        mixed = losses
        if distillation is not None and batch.answers is not None:
            mixed = distillation(losses, logits, batch.answers, loss.scale, batch.weights)
        found.append(mixed)
        first = first or StepLosses(mixed, _labelled(rows, logits, batch.answers), logits, losses.detach(), rows)
    assert first is not None  # there is one width at least
    return first if len(found) == 1 else first._replace(losses=torch.stack(found).mean(dim=0))


def _labelled(rows: Tensor, logits: Mapping[str, Tensor], answers: Mapping[str, Tensor] | None) -> Tensor:
    """Return which tasks have a labelled row or a teacher (T,)."""
    if answers is None:
        return rows > 0
    return (rows > 0) | torch.tensor([name in answers for name in logits], device=rows.device)
