"""Numbers that may be given for all tasks, or by task. Knows nothing about what they mean."""

from collections.abc import Callable, Collection, Mapping

from polyhead.errors import did_you_mean, is_finite, parameter_problems

PerTask = float | Mapping[str, float]
"""One number for all tasks, or a number for each task named; a task not named keeps the default."""


def value_for(task: str, given: PerTask, default: float) -> float:
    """Return the number that ``given`` has for a task."""
    return given.get(task, default) if isinstance(given, Mapping) else given


def per_task_problems(
    name: str, given: PerTask, tasks: Collection[str], allowed: Callable[[float], bool], rule: str
) -> list[str]:
    """Return a line for each task that is not known and each value that is not allowed.

    Args:
        name: of the parameter.
        given: its value.
        tasks: names that it may mention.
        allowed: whether a finite number is allowed.
        rule: which numbers are allowed, in words: ``"a number, 0 or more"``.
    """
    if not isinstance(given, Mapping):
        return parameter_problems((name, given, is_finite(given) and allowed(given), rule))
    problems = []
    for task, value in given.items():
        if task in tasks:
            problems += parameter_problems((f"{name}.{task}", value, is_finite(value) and allowed(value), rule))
        else:
            problems.append(f"{name}: unknown task {task!r}; {did_you_mean(str(task), tasks)}")
    return problems
