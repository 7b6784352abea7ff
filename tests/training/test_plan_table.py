import pytest
from support.models import FAMILIES
from support.training import OPTIMIZATION

from polyhead.freezing.plans import FreezeSpec
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune
from polyhead.models.multitask import MultiTaskModel
from polyhead.training.plan_table import plan_table


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_in_one_row(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    table = plan_table(model, FreezeSpec([]).stages(model), OPTIMIZATION, max_epochs=2)
    assert table.titles == ["part", "parameters", "epoch 0 on"]
    counts = [int(row[1].replace(",", "")) for row in table.rows]
    assert sum(counts) == sum(parameter.numel() for parameter in model.parameters())
    assert {row[2] for row in table.rows} == {"0.01"}


def test_it_tells_what_thaws_when_at_which_rate(model):
    plan = ProbeThenFineTune(probe_epochs=2, lr_scale=0.5)
    table = plan_table(model, plan.stages(model), OPTIMIZATION, max_epochs=4)
    rows = {row[0]: row[2:] for row in table.rows}
    assert table.titles[2:] == ["epochs 0 to 1", "epoch 2 on"]
    assert rows["encoder.layers[0]"] == ["frozen", "thawed, 0.005"]
    assert rows["heads.category"] == ["0.01", "0.005"]


def test_it_tells_how_much_of_a_part_is_trained(model):
    freezing = FreezeSpec(["encoder"], ["encoder.biases"])
    rows = {row[0]: row[2] for row in plan_table(model, freezing.stages(model), OPTIMIZATION, 1).rows}
    biases = sum(p.numel() for name, p in model.encoder.layers[0].named_parameters() if name.endswith("bias"))
    assert rows["encoder.layers[0]"] == f"0.01 ({biases} of them)"


def test_it_tells_stages_that_training_does_not_reach(model):
    stages = Gradual(groups=2, epochs=1).stages(model)
    titles = plan_table(model, stages, OPTIMIZATION, max_epochs=2).titles
    assert titles[2:] == ["epoch 0", "epoch 1", "epoch 2 on: not reached"]
    assert "not reached" not in str(plan_table(model, stages, OPTIMIZATION, max_epochs=-1).titles)


def test_text_and_markdown_hold_all_rows(model):
    table = plan_table(model, FreezeSpec([]).stages(model), OPTIMIZATION, max_epochs=2)
    assert all(row[0] in table.text() and f"| {row[0]} |" in table.markdown() for row in table.rows)
    assert len(table.markdown().splitlines()) == 2 + len(table.rows)
