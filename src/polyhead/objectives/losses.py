"""Losses: logits and labels -> one loss a task. Knows nothing about models or weightings.

Shapes: N training sentences, B sentences, C classes of a task, T tasks.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from polyhead.errors import UserError, did_you_mean
from polyhead.tasks import MISSING, Task

Knob = float | Mapping[str, float]
"""One number for all tasks, or a number for each task named; a task not named has the value that changes nothing."""


def cross_entropy_per_task(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
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


class MultiTaskLoss(nn.Module):
    """What is minimised for each task: cross-entropy, smoothed, balanced and focused as it is told.

    The loss of a row with label y and predicted probabilities p is ``w[y] (1 - p[y])^gamma CE(q, p)``, where

    - ``q`` has ``1 - label_smoothing`` on y and the rest spread over all classes (Szegedy et al. 2016);
    - ``w[c]`` is proportional to ``(1 - beta) / (1 - beta^n[c])`` with n[c] the training rows of class c (Cui et al.
      2019, "Class-Balanced Loss Based on Effective Number of Samples"): 0 leaves the classes as they are, towards 1
      each counts inversely to its frequency. Cui et al. let the weights sum to C; here their mean over the training
      rows is 1, so that a balanced task does not come to weigh less beside the others;
    - ``gamma`` takes weight off rows that are predicted well already (Lin et al. 2017, "Focal Loss for Dense Object
      Detection"); 0 is off.

    A task's loss is the mean over its labelled rows, times its ``scale``. With the first three at 0 and a scale of 1 it
    is :func:`cross_entropy_per_task`.

    Args:
        label_smoothing: 0 up to 1.
        beta: 0 up to 1; 0.999 for thousands of rows a class, 0.9999 for tens of thousands.
        gamma: 0 or more; Lin et al. found 2 to be best.
        tasks: what the knobs may name.
        scale: above 0; the unit that a loss is measured in, which a weighting then has to cope with.

    Raises:
        UserError: a value out of range or an unknown task; all problems at once.
    """

    def __init__(
        self, label_smoothing: Knob, beta: Knob, gamma: Knob, tasks: Sequence[Task], scale: Knob = 1.0
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        names = [task.name for task in tasks]
        problems = [
            *_problems("label_smoothing", label_smoothing, 1, names),
            *_problems("beta", beta, 1, names),
            *_problems("gamma", gamma, float("inf"), names),
            *_problems("scale", scale, float("inf"), names, above=True),
        ]
        if problems:
            raise UserError("\n".join(problems))
        self.label_smoothing, self.beta, self.gamma = (_by_task(k, names) for k in (label_smoothing, beta, gamma))
        self.scale = _by_task(scale, names, 1.0)
        for task in tasks:  # not saved: they follow from the training labels
            self.register_buffer(f"weights_{task.name}", None, persistent=False)

    def set_class_weights(self, labels: Mapping[str, NDArray[np.integer[Any]]]) -> None:
        """Set the class weights of the tasks with a ``beta``; to be called before training.

        Args:
            labels: class index (N,) of each training sentence by task, ``MISSING`` where there is none.
        """
        for task in self.tasks:
            if self.beta[task.name]:
                column = labels[task.name]
                counts = np.bincount(column[column != MISSING], minlength=len(task.labels))
                weights = class_weights(counts, self.beta[task.name])
                setattr(self, f"weights_{task.name}", torch.from_numpy(weights).float())

    def forward(self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return what :func:`cross_entropy_per_task` does, for these losses."""
        plain, rows = cross_entropy_per_task(logits, labels)
        losses = [
            self._loss(name, logits[name], labels[name]) / count.clamp(min=1) if self._special(name) else loss
            for name, loss, count in zip(logits, plain, rows, strict=True)
        ]
        scaled = [loss * self.scale[name] for name, loss in zip(logits, losses, strict=True)]
        return torch.stack(scaled), rows

    def _special(self, name: str) -> bool:
        return bool(self.label_smoothing[name] or self.beta[name] or self.gamma[name])

    def _loss(self, name: str, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the sum over the labelled rows ()."""
        smoothing = self.label_smoothing[name]
        losses = cross_entropy(
            logits, labels, ignore_index=MISSING, label_smoothing=smoothing, reduction="none"
        )  # (B,)
        classes = labels.clamp(min=0)  # rows without a label have loss 0 whatever they are weighted with
        if self.gamma[name]:
            p = logits.float().softmax(dim=1).gather(1, classes[:, None]).squeeze(1)  # (B,)
            # At p = 1 the slope of a power below 1 is infinite, and times a loss of 0 it would be no number.
            losses = losses * (1 - p).clamp(min=1e-6) ** self.gamma[name]
        weights = cast(Tensor | None, getattr(self, f"weights_{name}"))
        if weights is not None:
            losses = losses * weights[classes]
        return losses.sum()


def class_weights(counts: NDArray[np.integer[Any]], beta: float) -> NDArray[np.float64]:
    """Return the class-balanced weight of each class (C,), 0 for one without rows.

    Args:
        counts: training rows of each class (C,).
        beta: 0 to below 1.
    """
    present = counts > 0
    effective = -np.expm1(counts[present] * np.log(beta)) if beta else np.ones(present.sum())
    weights = np.zeros(len(counts))
    weights[present] = 1 / effective
    normalised: NDArray[np.float64] = weights * (counts.sum() / max(weights @ counts, 1e-300))
    return normalised


def _by_task(knob: Knob, names: Sequence[str], neutral: float = 0.0) -> dict[str, float]:
    return {name: knob.get(name, neutral) if isinstance(knob, Mapping) else knob for name in names}


def _problems(name: str, knob: Knob, limit: float, tasks: Sequence[str], above: bool = False) -> list[str]:
    given = {f".{task}": value for task, value in knob.items()} if isinstance(knob, Mapping) else {"": knob}
    problems = [
        f"loss.{name}: unknown task {task!r}; {did_you_mean(task, tasks)}"
        for task in (knob if isinstance(knob, Mapping) else ())
        if task not in tasks
    ]
    least = "above 0" if above else "0 or more"
    allowed = least if limit == float("inf") else f"{least} and below {limit:g}"
    problems += [
        f"loss.{name}{key}: {value!r} given; it must be a number, {allowed}"
        for key, value in given.items()
        if isinstance(value, bool)
        or not isinstance(value, int | float)
        or not isfinite(value)
        or not 0 <= value < limit
        or (above and value == 0)
    ]
    return problems


def check_finite(losses: Tensor, tasks: Sequence[Task], step: int, rows: Tensor | None) -> None:
    """Stop a run whose losses (T,) are no numbers any more: every further step would spoil more of the weights.

    Args:
        losses: of a batch.
        tasks: in the order of the losses.
        step: of the optimizer, for the message.
        rows: where the batch's sentences stand in the training split (B,), for the message.

    Raises:
        UserError: a loss is infinite or not a number.
    """
    if losses.isfinite().all():
        return
    task, loss = next((task.name, float(v)) for task, v in zip(tasks, losses, strict=True) if not v.isfinite())
    where = "" if rows is None else f" of the training sentences {', '.join(map(str, sorted(rows.tolist())))}"
    raise UserError(
        f"training: the loss of {task!r} is {loss} at step {step}, in the batch{where}; "
        "lower optimizer.encoder_lr or optimizer.head_lr, or look at these sentences"
    )
