import pytest
from support.plans import PLANS

from polyhead.freezing.kept_heads import KeptHeads


@pytest.mark.parametrize("name", PLANS)
def test_kept_heads_are_frozen_in_every_stage_beside_what_a_plan_freezes(model, name):
    plan = PLANS[name]
    KeptHeads(plan, ["sentiment"]).prepare(model)
    kept = {id(parameter) for parameter in model.heads["sentiment"].parameters()}
    alone, together = plan.stages(model), KeptHeads(plan, ["sentiment"]).stages(model)
    assert [stage.epoch for stage in together] == [stage.epoch for stage in alone]
    for stage, both in zip(alone, together, strict=True):
        assert both.freezing.frozen_parameters(model) == stage.freezing.frozen_parameters(model) | kept
        both.freezing.apply(model)
        assert not any(parameter.requires_grad for parameter in model.heads["sentiment"].parameters())
