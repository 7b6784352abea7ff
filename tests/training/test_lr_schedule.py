from itertools import pairwise

import pytest

from polyhead.freezing.plans import FreezeSpec, Stage
from polyhead.training.lr_schedule import linear_schedule, lr_multiplier

ALL, HEADS = FreezeSpec([]), FreezeSpec(["encoder"])
ONE_STAGE = (Stage(0, ALL),)


def multipliers(stages, trained, steps=30, per_epoch=10, warmup=0.1):
    starts = [stage.epoch * per_epoch for stage in stages]
    return [lr_multiplier(stages, starts, trained, steps, warmup, step) for step in range(steps)]


def linear(steps, warmup=0.1):
    return [linear_schedule(step, steps, warmup) for step in range(steps)]


def test_linear_schedule_by_hand():
    assert [linear_schedule(step, 10, 0.3) for step in range(11)] == pytest.approx(
        [1 / 4, 2 / 4, 3 / 4, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7, 0]
    )


def test_linear_schedule_rises_then_falls_and_wastes_no_step():
    factors = linear(20, warmup=0.2)
    assert factors[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factors[4] == 1.0
    assert all(earlier > later for earlier, later in pairwise(factors[4:]))
    assert factors[-1] == pytest.approx(1 / 16)


@pytest.mark.parametrize("steps", [40, 400])
def test_linear_schedule_rises_over_a_number_of_steps_whatever_the_length(steps):
    factors = linear(steps, warmup=8)
    assert factors[:9] == pytest.approx([*((step + 1) / 9 for step in range(8)), 1.0])
    assert factors[8:] == sorted(factors[8:], reverse=True)


def test_linear_schedule_rises_at_most_as_long_as_it_lasts():
    assert linear(5, warmup=100) == linear(5, warmup=1.0)


def test_linear_schedule_rounds_the_warmup_up():
    assert linear(5, warmup=0.3)[:3] == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [(0.0, [1, 0.8, 0.6, 0.4, 0.2]), (1.0, [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6]), (0.8, [0.2, 0.4, 0.6, 0.8, 1])],
)
def test_linear_schedule_at_its_bounds(warmup, expected):
    assert linear(5, warmup) == pytest.approx(expected)


def test_linear_schedule_is_zero_at_its_end_and_after():
    assert [linear_schedule(step, 5, warmup) for step in (5, 6, 100) for warmup in (0.2, 1.0)] == [0.0] * 6


def test_lr_multiplier_without_stages_is_the_schedule():
    assert multipliers(ONE_STAGE, [True]) == linear(30)


def test_lr_multiplier_of_what_is_unfrozen_warms_up_while_the_rest_continues():
    stages = [Stage(0, HEADS), Stage(1, ALL)]
    head, encoder = multipliers(stages, [True, True]), multipliers(stages, [False, True])
    assert head == linear(30)
    assert encoder[:10] == [0.0] * 10
    assert encoder[10:13] == pytest.approx([head[10] / 4, head[11] / 2, head[12] * 3 / 4])
    assert encoder[13:] == head[13:]


def test_lr_multiplier_warms_up_again_after_each_break():
    stages = [Stage(0, ALL), Stage(1, HEADS), Stage(2, ALL), Stage(3, ALL)]
    head = multipliers(stages, [True] * 4, steps=40)
    encoder = multipliers(stages, [True, False, True, True], steps=40)
    assert encoder[:10] == head[:10] == linear(40)[:10]
    assert encoder[10:20] == [0.0] * 10
    assert encoder[20:24] == pytest.approx([head[20 + i] * (i + 1) / 5 for i in range(4)])
    assert encoder[24:] == head[24:]  # the stage at 30 changes nothing for it


def test_lr_multiplier_after_a_restart_is_that_of_a_schedule_of_its_own():
    stages = [Stage(0, HEADS), Stage(1, ALL, lr_scale=0.5, restart=True)]
    head, encoder = multipliers(stages, [True, True]), multipliers(stages, [False, True])
    assert head[:10] == linear(10)
    assert head[10:] == [0.5 * factor for factor in linear(20)]
    assert encoder == [0.0] * 10 + head[10:]


def test_lr_multiplier_ends_each_schedule_with_the_stage_before_the_next_restart():
    stages = [Stage(0, HEADS), Stage(1, ALL, restart=True), Stage(2, ALL), Stage(3, ALL, restart=True)]
    assert multipliers(stages, [True] * 4, steps=40) == linear(10) + linear(20) + linear(10)


def test_lr_multiplier_of_what_is_unfrozen_after_a_restart_warms_up_by_that_schedule():
    stages = [Stage(0, HEADS), Stage(1, HEADS, restart=True), Stage(2, ALL)]
    encoder = multipliers(stages, [False, False, True], steps=50, warmup=0.1)
    rest = linear(40)  # from step 10 on: a warm-up of 4 steps
    assert encoder[20:24] == pytest.approx([rest[10 + i] * (i + 1) / 5 for i in range(4)])
    assert encoder[24:] == rest[14:]


def test_lr_multiplier_scales_by_the_stage_it_is_in():
    stages = [Stage(0, ALL, lr_scale=2.0), Stage(1, ALL, lr_scale=0.5), Stage(2, ALL)]
    scales = [2.0] * 10 + [0.5] * 10 + [1.0] * 10
    assert multipliers(stages, [True] * 3) == [factor * s for factor, s in zip(linear(30), scales, strict=True)]


def test_lr_multiplier_of_a_stage_that_is_not_reached_does_not_matter():
    stages = [Stage(0, ALL), Stage(9, ALL, restart=True)]
    assert multipliers(stages, [True, True]) == linear(30)
