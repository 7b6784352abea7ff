"""Class weights: how much each class counts in a loss. Knows nothing about logits.

Shapes: C classes of a task.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import did_you_mean, is_finite, parameter_problems
from polyhead.tasks import Task, label_text


def class_weights(
    counts: NDArray[np.integer[Any]], beta: float, given: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return the weight of each class (C,), of mean 1 over the rows; 0 for a class without rows.

    >>> class_weights(np.array([3, 1]), beta=0.999999).round(2)  # nearly inverse to the counts
    array([0.67, 2.  ])
    >>> class_weights(np.array([3, 1]), beta=0, given=[1, 5])
    array([0.5, 2.5])

    Args:
        counts: training rows of each class (C,).
        beta: 0 or more and below 1.
        given: a factor on the weight of each class (C,); None is 1.
    """
    present = counts > 0
    # 1 - beta^n, the effective number of rows but for a factor; exact where beta is close to 1.
    effective = -np.expm1(counts[present] * np.log(beta)) if beta else np.ones(present.sum())
    weights = np.zeros(len(counts))
    weights[present] = 1 / effective
    if given is not None:
        weights *= given
    weighted_rows = max(weights @ counts, 1e-300)  # 0 where no row has a label
    normalized: NDArray[np.float64] = weights * (counts.sum() / weighted_rows)
    return normalized


def class_weight_problems(given: Mapping[str, Mapping[str, float]], tasks: Sequence[Task]) -> list[str]:
    """Return a line for each unknown task or class, and for each weight that is none."""
    labels = {task.name: task.labels for task in tasks}
    problems = []
    for name, by_class in given.items():
        if name not in labels:
            problems.append(f"class_weights: unknown task {name!r}; {did_you_mean(str(name), labels)}")
            continue
        for label, weight in by_class.items():
            key = f"class_weights.{name}.{label}"
            if label_text(label) not in labels[name]:
                problems.append(f"{key}: unknown label; {did_you_mean(label_text(label), labels[name])}")
            problems += parameter_problems((key, weight, is_finite(weight) and weight >= 0, "a number, 0 or more"))
        named = {label_text(label): weight for label, weight in by_class.items()}  # YAML has numbers for 1 and 2
        if not problems and not any(named.get(label, 1) for label in labels[name]):
            problems.append(f"class_weights.{name}: all are 0; give one class a weight above 0")
    return problems
