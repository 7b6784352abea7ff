"""Distillation: a task's loss as the distance from a teacher's answers, beside that from the labels.

Knows nothing about models, nor where the answers come from. Shapes: B sentences of a batch, T tasks, W logits of one.
"""

from collections.abc import Mapping, Sequence
from math import inf

import torch
from torch import Tensor, nn

from polyhead.errors import ParameterError, check_parameters
from polyhead.tasks import Task


class Distillation(nn.Module):
    r"""Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531): answers of a larger model are targets, too.

    .. math:: L_t = (1 - s) \, L_t^{labels} + s \, c_t \frac{\sum_i r_i D_t(z_i, a_i)}{\sum_i r_i}

    with s the share, z the logits and a those of the teacher, r the rows' weights and c the scale of the task's loss.
    Of single labels D is the squared temperature times the divergence of the two softmaxes at that temperature; each
    kind of task has its own (``soft_losses`` in :mod:`polyhead.tasks`). The mean runs over all sentences of the batch,
    since each has the teacher's answer; where none has a label, the first part is 0.

    Args:
        temperature: above 0; a higher one lets the student learn more of how probable the other classes are.
        share: of the teacher's answers in the loss, above 0 and up to 1, where the labels are not looked at.
        tasks: in the order of the losses.

    Raises:
        ParameterError: values out of range, or a kind of task that cannot be distilled.
    """

    def __init__(self, temperature: float = 2.0, share: float = 0.7, tasks: Sequence[Task] = ()) -> None:
        super().__init__()
        check_parameters(
            ("temperature", temperature, 0 < temperature < inf, "above 0"),
            ("share", share, 0 < share <= 1, "above 0, up to 1"),
            ("tasks", tuple(tasks), bool(tasks), "the tasks of the model"),
        )
        odd = [f"{task.name} ({task.kind.name})" for task in tasks if task.kind.is_pair or not task.kind.distills]
        if odd:
            raise ParameterError(f"{', '.join(odd)}: tasks of this kind learn no teacher's answers; leave them out")
        self.temperature, self.share = temperature, share
        self.tasks = tuple(tasks)

    def forward(
        self,
        losses: Tensor,
        logits: Mapping[str, Tensor],
        answers: Mapping[str, Tensor],
        scale: Mapping[str, float],
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the losses (T,) with the teacher's share in them; a task without its answers keeps its loss.

        Args:
            losses: of the labels (T,).
            logits: (B, W) of each task.
            answers: the teacher's logits (B, W) of each task that it knows.
            scale: of each task's loss.
            weights: of each row (B,), 0 or more; None is 1 each.
        """
        mixed = []
        for task, loss in zip(self.tasks, losses, strict=True):
            if task.name not in answers:
                mixed.append(loss)
                continue
            distances = task.kind.soft_losses(logits[task.name], answers[task.name], self.temperature)  # (B,)
            soft = scale[task.name] * _mean(distances, weights)
            mixed.append((1 - self.share) * loss + self.share * soft)
        return torch.stack(mixed)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return values.mean()
    total = weights.sum()
    return (values * weights).sum() / total.where(total > 0, 1.0)
