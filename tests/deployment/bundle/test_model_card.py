import re

import numpy as np
import pytest
import yaml
from support.bundles import MAX_LENGTH, make_bundle

from polyhead import Predictor
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry
from polyhead.deployment.bundle.model_card import model_card

ENTRIES = [
    TaskEntry("category", ["Quote", "Riddle", "News"], 1.2, {"accuracy": 0.9126, "ece": 0.01}),
    TaskEntry("sentiment", ["Positive", "Negative"], None, {"accuracy": 0.5, "macro_f1": 1.0}),
]


def card(graph=False, pooling="mean", prompt=""):
    return model_card("mine", Manifest(ENTRIES, MAX_LENGTH, {"polyhead": "9.9", "run": "a"}), pooling, prompt, graph)


def table(text):
    """Return the cells of a card's table, without the rule below its titles."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in [lines[0], *lines[2:]]]


def test_model_card_opens_with_the_fields_that_a_hub_reads():
    _, head, body = card().split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields.pop("model-index")[0]["name"] == "mine"
    assert fields == {
        "library_name": "sentence-transformers",
        "pipeline_tag": "feature-extraction",
        "tags": ["sentence-transformers", "multi-task", "polyhead"],
    }
    assert body.startswith("\n# mine\n\nA sentence encoder with 2 linear classification heads,")


def test_model_card_has_a_row_per_task_and_a_column_per_metric():
    assert table(card()) == [
        ["task", "classes", "accuracy", "ece", "macro_f1"],
        ["category", "Quote, Riddle, News", "0.913", "0.010", ""],
        ["sentiment", "Positive, Negative", "0.500", "", "1.000"],
    ]


def test_model_card_keeps_its_columns_where_a_class_name_has_a_pipe():
    entry = TaskEntry("category", ["a|b", "c"], None, {"accuracy": 0.5})
    text = model_card("mine", Manifest([entry], MAX_LENGTH, {}), "mean", "", graph=False)
    assert table(text)[1] == ["category", r"a\|b, c", "0.500"]


def test_model_card_names_calibrated_tasks_length_pooling_and_origin():
    text = card(pooling="cls, Normalize()")
    assert "Probabilities are calibrated for category. Those of sentiment are not calibrated:" in text
    assert f"cut to {MAX_LENGTH} tokens; from token states to the embedding: cls, Normalize()." in text
    assert text.endswith("## Made with\n\n- polyhead: 9.9\n- run: a\n")


def test_model_card_names_the_prompt():
    assert f"cut to {MAX_LENGTH} tokens, those of the prompt `query: ` before each text included;" in card(
        prompt="query: "
    )


@pytest.mark.parametrize("graph", [False, True])
def test_model_card_describes_a_graph_where_there_is_one(graph):
    assert ("`onnx/model.onnx`" in card(graph)) is graph


@pytest.mark.slow
def test_model_card_shows_code_that_runs(tmp_path, capsys, model, tasks):
    folder = make_bundle(tmp_path / "bundle", model, tasks)
    predicting, embedding = re.findall(r"```python\n(.*?)```", card(), flags=re.DOTALL)
    exec(predicting.replace("FOLDER", str(folder)), {})
    expected = Predictor.load(folder).predict(["A sentence.", "Another one?"])
    assert capsys.readouterr().out == "".join(f"{row.labels} {row.probabilities}\n" for row in expected)
    names = {}
    exec(embedding.replace("FOLDER", str(folder)), names)
    whole = Predictor.load(folder, precision="32-true").predict(["A sentence.", "Another one?"])
    np.testing.assert_allclose(names["embeddings"], whole.embeddings, atol=1e-5)
