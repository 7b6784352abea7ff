import yaml
from support.bundles import manifest_of

from polyhead.deployment.bundle.model_card import model_card


def test_the_card_opens_with_what_a_hub_reads_and_lists_every_task(tasks):
    card = model_card("mine", manifest_of(tasks, category=1.2), graph=True)
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "sentence-transformers"
    assert "| category | Quote, Riddle, News | 0.500 |" in body
    assert "| sentiment | Positive, Negative | 0.500 |" in body
    assert "calibrated for category." in body
    assert "graph.onnx" in body


def test_the_table_has_as_many_cells_in_every_row(tasks):
    lines = [line for line in model_card("mine", manifest_of(tasks), graph=False).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "graph.onnx" not in model_card("mine", manifest_of(tasks), graph=False)
