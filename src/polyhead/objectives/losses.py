"""Losses: logits and labels -> one loss per task. Knows nothing about models or weightings.

Shapes: N training sentences, B sentences of a batch, C classes of a task, W logits of a task, T tasks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from polyhead.errors import DivergenceError, ParameterError, parameter_problems
from polyhead.objectives.class_options import class_option_problems, for_classes, kind_problems
from polyhead.objectives.class_weights import class_weights
from polyhead.objectives.made_with import RecordsArguments
from polyhead.tasks import MISSING, PerTask, Task, is_labelled, label_text, per_task_problems, value_for
from polyhead.tasks.targets import keep_labels

_LEAST_DOUBT = 1e-6  # lower bound of 1 - p in the focal loss
_SHARE = "a number, 0 or more and below 1"


def cross_entropy_per_task(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Compute each task's mean cross-entropy over its own labelled rows.

    >>> logits = {"tone": torch.zeros(3, 2), "topic": torch.zeros(3, 4)}
    >>> labels = {"tone": torch.tensor([0, 1, MISSING]), "topic": torch.tensor([3, MISSING, MISSING])}
    >>> cross_entropy_per_task(logits, labels)  # log 2 and log 4, over 2 labelled rows and 1
    (tensor([0.6931, 1.3863]), tensor([2, 1]))

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


def plain_losses(
    tasks: Sequence[Task], logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Compute each task's mean loss over its own labelled rows, as its kind has it.

    Args:
        tasks: with single labels alone, this is :func:`cross_entropy_per_task`.
        logits: (B, W) of each task.
        labels: targets of each task (B,) or (B, C).

    Returns:
        Losses (T,) and labelled rows (T,), in the order of ``tasks``; 0 where a task has no labelled row.
    """
    rows = torch.stack([is_labelled(labels[task.name]).sum() for task in tasks])  # (T,)
    sums = [task.kind.summed_loss(logits[task.name], labels[task.name]) for task in tasks]
    return torch.stack(sums) / rows.clamp(min=1), rows


class MultiTaskLoss(RecordsArguments, nn.Module):
    """The loss of each task: that of its kind with a scale, and for single labels with what weighs classes and rows.

    Of a task of single labels it is cross-entropy with label smoothing, class weights and focus. The loss of a row with
    label y and predicted probabilities p is ``w[y] (1 - p[y])^gamma CE(q, p)``, where

    - ``q`` has ``1 - label_smoothing`` on y and the rest spread over all classes (Szegedy et al. 2016);
    - ``w[c]`` is proportional to ``class_weights[c]``, 1 where none is given, times ``(1 - beta) / (1 - beta^n[c])``
      with n[c] the training rows of class c (Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of
      Samples"): 0 leaves the classes as they are, towards 1 each counts inversely to its frequency. Cui et al. let the
      weights sum to C; here their mean over the training rows is 1, so that a balanced task does not come to weigh less
      beside the others;
    - ``gamma`` takes weight off rows that are predicted well already (Lin et al. 2017, "Focal Loss for Dense Object
      Detection"); 0 is off.

    A task's loss is the mean over its labelled rows, times its ``scale``. With the first three at 0 and a scale of 1 it
    is :func:`cross_entropy_per_task`. Where rows have weights r of their own (``data.weight``), it is the weighted mean
    ``sum(r loss) / sum(r)`` over the labelled rows of the batch, with the loss of a row as above: a weight of 2 counts
    as the row twice, and 0 leaves it out. The two kinds of weights multiply; n[c] counts rows, whatever they weigh, but
    none of weight 0.

    Args:
        label_smoothing: 0 or more and below 1.
        beta: 0 or more and below 1; 0.999 for thousands of rows per class, 0.9999 for tens of thousands.
        gamma: 0 or more; Lin et al. found 2 to be best.
        tasks: the tasks, whose names the other arguments may mention.
        scale: above 0; the unit in which a loss is measured, and with which a weighting has to cope.
        class_weights: task -> class name -> weight, 0 or more; None weighs no class by name.

    Raises:
        ParameterError: values out of range or unknown tasks, all at once.

    Attributes:
        of_classes: whether the loss is for tasks alone whose sentences are each of one class.
        trains_heads: whether heads learn from the loss; else they have to be solved at the end.
    """

    of_classes: ClassVar[bool] = False
    trains_heads: ClassVar[bool] = True

    def __init__(
        self,
        label_smoothing: PerTask = 0.0,
        beta: PerTask = 0.0,
        gamma: PerTask = 0.0,
        tasks: Sequence[Task] = (),
        scale: PerTask = 1.0,
        class_weights: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        super().__init__()
        names = [task.name for task in tasks]
        by_class = {"label_smoothing": label_smoothing, "beta": beta, "gamma": gamma}
        problems = [
            *per_task_problems("label_smoothing", label_smoothing, names, _is_share, _SHARE),
            *per_task_problems("beta", beta, names, _is_share, _SHARE),
            *per_task_problems("gamma", gamma, names, lambda value: value >= 0, "a number, 0 or more"),
            *per_task_problems("scale", scale, names, lambda value: value > 0, "a number, above 0"),
            *parameter_problems(("tasks", (), bool(tasks), "the tasks of the model")),
            *class_option_problems(by_class, class_weights or {}, tasks),
            *(kind_problems(type(self).__name__, tasks) if self.of_classes else ()),
        ]
        if problems:
            raise ParameterError("\n".join(problems))
        self.tasks = tuple(tasks)
        self._by_name = {task.name: task for task in tasks}
        self.label_smoothing = for_classes(label_smoothing, tasks)
        self.beta = for_classes(beta, tasks)
        self.gamma = for_classes(gamma, tasks)
        self.scale = {name: value_for(name, scale, 1.0) for name in names}
        given = {
            task: {label_text(label): weight for label, weight in by_class.items()}
            for task, by_class in (class_weights or {}).items()
        }
        self.class_weights = {
            task.name: [given.get(task.name, {}).get(label, 1.0) for label in task.labels] for task in tasks
        }
        for name in names:  # not saved: they follow from the training labels
            self.register_buffer(f"weights_{name}", None, persistent=False)

    def set_class_weights(self, labels: Mapping[str, NDArray[np.integer[Any]]]) -> None:
        """Set the class weights of the tasks that have any; to be called before training.

        Args:
            labels: class index (N,) of each training sentence by task, ``MISSING`` where there is none.
        """
        for task in self.tasks:
            if task.kind.weighs_classes and self.weighs_classes(task.name):
                column = labels[task.name]
                counts = np.bincount(column[column != MISSING], minlength=len(task.labels))  # (C,)
                weights = class_weights(counts, self.beta[task.name], self.class_weights[task.name])
                setattr(self, f"weights_{task.name}", torch.from_numpy(weights).float())

    def forward(
        self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return losses (T,) and labelled rows (T,), as :func:`plain_losses` does.

        Args:
            logits: (B, W) of each task.
            labels: target of each task: of single labels the class index (B,), ``MISSING`` where there is none.
            weights: of each row (B,), 0 or more; a row of weight 0 counts as one without labels. None is 1 each.
        """
        if weights is not None:
            return self._weighted_means(logits, labels, weights)
        plain, rows = plain_losses([self._by_name[name] for name in logits], logits, labels)
        losses = []
        for name, loss, count in zip(logits, plain, rows, strict=True):
            other = None if self._is_plain(name) else self.row_losses(name, logits[name], labels[name]).sum()
            losses.append(self.scale[name] * (loss if other is None else other / count.clamp(min=1)))
        return torch.stack(losses), rows

    def _weighted_means(
        self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        losses, rows = [], []
        for name in logits:
            targets = keep_labels(labels[name], weights > 0)  # those left out are no candidates for others either
            counted = weights * is_labelled(targets)  # (B,)
            total = counted.sum()
            summed = (counted * self.row_losses(name, logits[name], targets)).sum()
            losses.append(summed / total.where(total > 0, 1.0) * self.scale[name])
            rows.append((counted > 0).sum())
        return torch.stack(losses), torch.stack(rows)

    def _is_plain(self, name: str) -> bool:
        return not (self.label_smoothing[name] or self.gamma[name] or self.weighs_classes(name))

    def weighs_classes(self, name: str) -> bool:
        """Return whether the weights of a task's classes follow from the counts of its training labels."""
        return bool(self.beta[name]) or any(weight != 1 for weight in self.class_weights[name])

    def row_losses(self, task: str, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each row (B,) of a task, before its scale; 0 without a label.

        Args:
            task: whose loss it is.
            logits: (B, W).
            labels: target of each row: of single labels the class index (B,), ``MISSING`` where there is none.
        """
        kind = self._by_name[task].kind
        if not kind.weighs_classes:
            return kind.row_losses(logits, labels)
        losses = cross_entropy(
            logits,
            labels,
            ignore_index=MISSING,
            label_smoothing=self.label_smoothing[task],
            reduction="none",
        )  # (B,)
        classes = labels.clamp(min=0)  # rows without a label have loss 0, whatever weighs them
        if self.gamma[task]:
            probabilities = logits.float().softmax(dim=1)  # (B, C)
            p = probabilities.gather(1, classes[:, None]).squeeze(1)  # (B,)
            # At p = 1 the slope of a power below 1 is infinite, and times a loss of 0 it would be no number.
            doubt = (1 - p).clamp(min=_LEAST_DOUBT)
            losses = losses * doubt ** self.gamma[task]
        weights = cast(Tensor | None, getattr(self, f"weights_{task}"))
        if weights is not None:
            losses = losses * weights[classes]
        return losses


def _is_share(value: float) -> bool:
    return 0 <= value < 1


def check_finite(losses: Tensor, tasks: Sequence[Task], step: int, rows: Tensor | None) -> None:
    """Stop a run whose losses are no numbers any more: every further step would spoil more of the weights.

    Args:
        losses: of a batch (T,).
        tasks: in the order of the losses.
        step: of the optimizer, for the message.
        rows: where the batch's sentences stand in the training split (B,), for the message.

    Raises:
        DivergenceError: a loss is infinite or not a number.
    """
    if losses.isfinite().all():
        return
    first = int(losses.isfinite().logical_not().nonzero()[0])
    sentences = "" if rows is None else f" of the training sentences {', '.join(map(str, sorted(rows.tolist())))}"
    raise DivergenceError(
        f"training: the loss of {tasks[first].name!r} is {float(losses[first])} at step {step}, "
        f"in the batch{sentences}; lower the optimizer's encoder_lr or head_lr, or look at these sentences"
    )
