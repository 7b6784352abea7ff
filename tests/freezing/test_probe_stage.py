import pytest

from polyhead.freezing.plans import FreezeSpec, Stage
from polyhead.freezing.probe_stage import takes_steps, trains_heads_alone, without_probe
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune, UnfreezeSchedule


@pytest.mark.parametrize(
    ("frozen", "alone"),
    [
        (["encoder"], True),
        (["encoder", "heads.category"], True),
        (["encoder", "heads"], False),
        (["encoder.embeddings"], False),
        ([], False),
    ],
)
def test_stage_trains_heads_alone_if_all_of_the_encoder_and_not_all_heads_are_frozen(model, frozen, alone):
    assert trains_heads_alone(model, Stage(0, FreezeSpec(frozen))) is alone


def test_probe_is_left_out_and_the_others_begin_earlier(model):
    probe, fine_tune = ProbeThenFineTune(probe_epochs=3, lr_scale=0.5).stages(model)
    (left,) = without_probe((probe, fine_tune))
    assert (left.epoch, left.freezing, left.lr_scale, left.restart) == (0, fine_tune.freezing, 0.5, True)
    stages = Gradual(groups=3, epochs=2).stages(model)
    assert [stage.epoch for stage in without_probe(stages)] == [0, 2, 4]


def test_other_plans_stay_as_they_are(model):
    later = UnfreezeSchedule(["encoder"], [{"epoch": 2, "parts": ["encoder"]}])
    for plan in (FreezeSpec(["encoder"]), FreezeSpec([]), FreezeSpec.lower_layers(1), later):
        assert without_probe(plan.stages(model)) == plan.stages(model)


@pytest.mark.parametrize(
    ("frozen", "solved", "steps"),
    [
        (["encoder"], True, False),
        (["encoder"], False, True),
        (["encoder", "heads"], False, False),
        ([], True, True),
        (["heads"], True, True),
    ],
)
def test_steps_are_taken_for_what_is_neither_frozen_nor_solved(model, frozen, solved, steps):
    assert takes_steps(model, FreezeSpec(frozen).stages(model), solved) is steps
