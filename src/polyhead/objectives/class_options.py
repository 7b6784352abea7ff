"""Class options: settings of a loss that mean something for single labels alone. Knows nothing about logits."""

import logging
from collections.abc import Mapping, Sequence

from polyhead.objectives.class_weights import class_weight_problems
from polyhead.tasks import PerTask, Task, value_for

log = logging.getLogger(__name__)


def for_classes(given: PerTask, tasks: Sequence[Task]) -> dict[str, float]:
    """Return the value of each task; 0 for those whose loss knows no classes."""
    return {task.name: value_for(task.name, given, 0.0) if task.kind.weighs_classes else 0.0 for task in tasks}


def class_option_problems(
    options: Mapping[str, PerTask], weights: Mapping[str, Mapping[str, float]], tasks: Sequence[Task]
) -> list[str]:
    """Return a line for each option given by name for a task that it cannot concern; log those given for all tasks.

    Args:
        options: name -> what is given for it.
        weights: class weights by task.
        tasks: that there are.
    """
    others = {task.name: task.kind.name for task in tasks if not task.kind.weighs_classes}
    classes = [task for task in tasks if task.kind.weighs_classes]
    known = {name: by_class for name, by_class in weights.items() if name not in others}
    problems = class_weight_problems(known, classes)
    given: dict[str, Mapping[str, object]] = {"class_weights": weights}
    for option, value in options.items():
        if isinstance(value, Mapping):
            given[option] = {task: number for task, number in value.items() if number}
        elif value and others and classes:
            log.warning("loss.%s: %s, the losses of %s are without it", option, value, ", ".join(others))
        elif value and others:
            problems.append(f"{option}: {value} given; it is for single_label tasks, and there is none; set it to 0")
    for option, by_task in given.items():
        for task in by_task:
            if task in others:
                problems.append(
                    f"{option}.{task}: it is for single_label tasks, and {task} is {others[task]}; leave it out"
                )
    return problems


def kind_problems(loss: str, tasks: Sequence[Task]) -> list[str]:
    """Return a line that names the tasks whose sentences are not of one class each; nothing if there are none."""
    others = [task for task in tasks if not task.kind.one_class or task.kind.is_pair]
    names = ", ".join(f"{task.name} ({task.kind.name})" for task in others)
    return (
        [f"_target_: {loss} takes sentences of one class each, not {names}; take loss=cross_entropy"] if names else []
    )
