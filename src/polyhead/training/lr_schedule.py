"""The learning-rate schedule: factors on peak rates, step by step. Knows nothing about optimizers or parameters."""

import math
from collections.abc import Sequence

from polyhead.freezing.plans import Stage


def lr_multiplier(
    stages: Sequence[Stage], starts: Sequence[int], trained: Sequence[bool], steps: int, warmup: float, step: int
) -> float:
    """Return the factor on a group's peak learning rate at a step.

    The factor is that of the linear schedule, times the scale of the stage. A group that is unfrozen while a schedule
    runs rises to it over as many steps as the schedule's own warm-up takes. It is 0 while the group is frozen.

    Args:
        stages: of freezing.
        starts: first step of each stage.
        trained: for each stage, whether the group is trained in it.
        steps: of the whole training.
        warmup: share of a schedule over which the rate rises, or, above 1, a number of steps.
        step: from 0.
    """
    now = max(index for index, start in enumerate(starts) if start <= step)
    if not trained[now]:
        return 0.0
    begin, end = _schedule_around(step, stages, starts, steps)
    factor = linear_schedule(step - begin, end - begin, warmup)
    unfrozen = _last_unfrozen(starts, trained, now)
    rise = warmup_steps(warmup, end - begin)
    steps_since = step - unfrozen
    if unfrozen > begin and steps_since < rise:
        factor *= (steps_since + 1) / (rise + 1)
    return factor * stages[now].lr_scale


def _schedule_around(step: int, stages: Sequence[Stage], starts: Sequence[int], steps: int) -> tuple[int, int]:
    """Return the first step of the learning-rate schedule that runs at a step, and the step after its last."""
    restarts = [start for stage, start in zip(stages, starts, strict=True) if stage.restart or start == 0]
    begin = max(start for start in restarts if start <= step)
    later = [start for start in restarts if start > step]
    return begin, min([*later, steps])


def _last_unfrozen(starts: Sequence[int], trained: Sequence[bool], now: int) -> int:
    """Return the step since which a group that is trained in stage ``now`` has been trained without a break."""
    first = now
    while first > 0 and trained[first - 1]:
        first -= 1
    return starts[first]


def linear_schedule(step: int, steps: int, warmup: float) -> float:
    """Return the factor on the learning rates at ``step`` of ``steps``: a linear rise, then a linear fall to 0.

    The first step is not wasted on a rate of 0, nor is the last.

    >>> [linear_schedule(step, steps=6, warmup=1 / 3) for step in range(7)]
    [0.3333333333333333, 0.6666666666666666, 1.0, 0.75, 0.5, 0.25, 0.0]

    Args:
        step: from 0.
        steps: of the whole schedule.
        warmup: share of the steps over which the factor rises, or, above 1, a number of steps.
    """
    rise = warmup_steps(warmup, steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    return max(0.0, (steps - step) / max(1, steps - rise))


def warmup_steps(warmup: float, steps: int) -> int:
    """Return the number of steps over which a schedule of ``steps`` rises.

    >>> warmup_steps(0.1, steps=25), warmup_steps(100, steps=2000), warmup_steps(100, steps=25)
    (3, 100, 25)
    """
    return min(steps, math.ceil(warmup * steps if warmup <= 1 else warmup))
