import pytest
from support.models import FAMILIES
from support.training import OPTIMIZATION

from polyhead.freezing.plans import FreezeSpec, Stage
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune
from polyhead.models.multitask import MultiTaskModel
from polyhead.training.plan_table import PlanTable, plan_table


@pytest.mark.parametrize("family", FAMILIES)
def test_plan_table_has_every_parameter_in_one_row(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    table = plan_table(model, FreezeSpec([]).stages(model), OPTIMIZATION, max_epochs=2)
    assert table.titles == ["part", "parameters", "epoch 0 on"]
    counts = [int(row[1].replace(",", "")) for row in table.rows]
    assert sum(counts) == sum(parameter.numel() for parameter in model.parameters())
    assert {row[2] for row in table.rows} == {"0.01"}


def test_plan_table_says_what_thaws_when_at_which_rate(model):
    plan = ProbeThenFineTune(probe_epochs=2, lr_scale=0.5)
    table = plan_table(model, plan.stages(model), OPTIMIZATION, max_epochs=4)
    rows = {row[0]: row[2:] for row in table.rows}
    assert table.titles[2:] == ["epochs 0 to 1", "epoch 2 on"]
    assert rows["encoder.layers[0]"] == ["frozen", "thawed, 0.005"]
    assert rows["heads.category"] == ["0.01", "0.005"]


def test_plan_table_says_thawed_only_where_more_is_trained_than_before(model):
    everything, heads = FreezeSpec([]), FreezeSpec(["encoder"])
    biases = FreezeSpec(["encoder"], ["encoder.biases"])
    stages = [Stage(0, everything), Stage(1, heads), Stage(2, biases), Stage(3, biases), Stage(4, everything)]
    rows = {row[0]: row[2:] for row in plan_table(model, stages, OPTIMIZATION, None).rows}
    some = f"({sum(p.numel() for n, p in model.encoder.layers[0].named_parameters() if n.endswith('bias'))} of them)"
    assert rows["encoder.layers[0]"] == [
        "0.01",
        "frozen",
        f"thawed, 0.01 {some}",
        f"0.01 {some}",
        "thawed, 0.01",
    ]


def test_plan_table_says_how_much_of_a_part_is_trained(model):
    freezing = FreezeSpec(["encoder"], ["encoder.biases"])
    rows = {row[0]: row[2] for row in plan_table(model, freezing.stages(model), OPTIMIZATION, 1).rows}
    biases = sum(p.numel() for name, p in model.encoder.layers[0].named_parameters() if name.endswith("bias"))
    assert rows["encoder.layers[0]"] == f"0.01 ({biases} of them)"


@pytest.mark.parametrize(
    ("max_epochs", "last"),
    [(2, "epoch 2 on: not reached"), (3, "epoch 2 on"), (-1, "epoch 2 on"), (None, "epoch 2 on")],
)
def test_plan_table_marks_stages_that_training_does_not_reach(model, max_epochs, last):
    stages = Gradual(groups=2, epochs=1).stages(model)
    titles = plan_table(model, stages, OPTIMIZATION, max_epochs).titles
    assert titles[2:] == ["epoch 0", "epoch 1", last]


def test_text_holds_all_cells():
    table = PlanTable(["part", "parameters", "epoch 0 on"], [["encoder", "1,234", "frozen"], ["heads", "5", "0.01"]])
    title, *lines = table.text().splitlines()
    assert title.strip() == "freezing plan: peak learning rates"
    cells = [[cell.strip() for cell in line.split(line[0])[1:-1]] for line in lines if line[0] in "│┃"]
    assert cells == [table.titles, *table.rows]


def test_plan_table_says_which_heads_are_solved(model):
    def heads(frozen, taken=None):
        stages = FreezeSpec(frozen).stages(model)
        rows = plan_table(model, stages, OPTIMIZATION, 2, solved=True, taken=taken).rows
        return {row[0]: row[2] for row in rows if row[0].startswith("heads.")}

    assert heads(["encoder"]) == {"heads.category": "solved", "heads.sentiment": "solved"}
    assert heads([]) == {"heads.category": "solved, then 0.01", "heads.sentiment": "solved, then 0.01"}
    assert heads(["heads.category"]) == {"heads.category": "frozen", "heads.sentiment": "solved, then 0.01"}
    taken = {"category": []}
    assert heads(["encoder"], taken) == {"heads.category": "as in start", "heads.sentiment": "solved"}
    assert heads([], taken) == {"heads.category": "from start, then 0.01", "heads.sentiment": "solved, then 0.01"}
    added = heads(["encoder"], {"category": [1]})
    assert added == {"heads.category": "from start, new classes solved", "heads.sentiment": "solved"}
