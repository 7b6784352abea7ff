"""What a run or a bundle says of texts where labels are looked at: what its predictor says."""

from dataclasses import replace

import pytest
import torch
from support.bundles import make_bundle, manifest_of, spoken

from polyhead import Predictor
from polyhead.app.loaded.scored_model import load_scored_model
from polyhead.app.loaded.scored_predictor import ScoredPredictor
from polyhead.deployment.bundle.manifest import seal


@pytest.mark.parametrize("windows", [1, 3])
def test_scored_predictor_says_what_the_predictor_says_of_long_texts_too(tmp_path, model, tasks, windows):
    bundle = make_bundle(tmp_path / "bundle", model, tasks)
    seal(bundle, replace(manifest_of(tasks, category=1.5), max_length=6, windows=windows))
    found = ScoredPredictor(load_scored_model(bundle, (), "cpu", "32-true"), torch.device("cpu"))
    expected = Predictor.load(bundle, precision="32-true", device="cpu")
    ours, theirs = found.predict(spoken(30)), expected.predict(spoken(30))
    assert found.truncated == expected.truncated > 0
    torch.testing.assert_close(ours.embeddings, theirs.embeddings)
    for task in tasks:
        torch.testing.assert_close(ours.probabilities[task.name], theirs.probabilities[task.name])
    assert len(found.predict([])) == 0
