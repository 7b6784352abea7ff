"""Predictions by the first units of embeddings: those that a model was trained for, and no others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from support.bundles import add_scores, bundle_tokenizer, manifest_of, texts

from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.manifest import FORMAT, seal, unseal
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize

FITS = {"8": {"category": {"temperature": 3.0}}, "3": {}}
EXACT = {"precision": "32-true", "device": "cpu"}


def write_bundle(folder, make_encoder, tasks, top=(), **changes):
    model = MultiTaskModel(make_encoder(top=top), tasks, dropout=0.1, dimensions=[16, 8, 3]).eval()
    folder.mkdir()
    write_model(folder, model, bundle_tokenizer())
    seal(folder, replace(manifest_of(tasks, category=2.0), **{"dimensions": FITS} | changes))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("top", [(), (Normalize(),)], ids=["as pooled", "of length 1"])
def test_predictions_at_a_width_are_those_of_the_cut_embedding_and_its_temperature(tmp_path, make_encoder, tasks, top):
    model = write_bundle(tmp_path / "bundle", make_encoder, tasks, top)
    some = [text for text in texts(12) if text]
    whole = Predictor.load(tmp_path / "bundle", **EXACT).predict(some)
    cut = Predictor.load(tmp_path / "bundle", **EXACT, dimensions=8)
    found = cut.predict(some)
    with torch.no_grad():
        expected = model.truncate(torch.from_numpy(whole.embeddings), 8)
        logits = {task.name: model.classify_task(task.name, expected) for task in tasks}
    np.testing.assert_allclose(found.embeddings, expected, atol=1e-6)
    assert cut.hidden_size == 8
    for task, temperature in zip(tasks, (3.0, 1.0), strict=True):
        shares = (logits[task.name] / temperature).softmax(dim=1)
        np.testing.assert_allclose(found.probabilities[task.name], shares, atol=1e-5)
    same = Predictor.load(tmp_path / "bundle", **EXACT, dimensions=16).predict(some)
    np.testing.assert_allclose(same.probabilities["category"], whole.probabilities["category"], atol=1e-6)


def test_embedding_at_a_width_is_that_of_sentence_transformers(tmp_path, make_encoder, tasks):
    write_bundle(tmp_path / "bundle", make_encoder, tasks, [Normalize()])
    some = [text for text in texts(12) if text]
    stock = SentenceTransformer(str(tmp_path / "bundle"), device="cpu", truncate_dim=8)
    found = Predictor.load(tmp_path / "bundle", **EXACT, dimensions=8).predict(some)
    np.testing.assert_allclose(stock.encode(some, normalize_embeddings=True), found.embeddings, atol=1e-5)


def test_width_that_a_model_was_not_trained_for_is_refused(tmp_path, make_encoder, tasks):
    write_bundle(tmp_path / "bundle", make_encoder, tasks)
    write_bundle(tmp_path / "plain", make_encoder, tasks, dimensions={})
    with pytest.raises(
        UserError, match=r"dimensions: 5 given, and '.*bundle' was trained for 16, 8, 3 alone; train with"
    ):
        Predictor.load(tmp_path / "bundle", **EXACT, dimensions=5)
    with pytest.raises(UserError, match=r"was trained for 16 alone; train with model.dimensions=\[16,8\]"):
        Predictor.load(tmp_path / "plain", **EXACT, dimensions=8)


def test_windows_are_refused_at_a_width(tmp_path, make_encoder, tasks):
    write_bundle(tmp_path / "bundle", make_encoder, tasks, windows=4)
    with pytest.raises(UserError, match="averages embeddings of windows of long texts whole; leave it out"):
        Predictor.load(tmp_path / "bundle", **EXACT, dimensions=8)


def test_promises_of_the_whole_embedding_are_not_given_at_a_width(tmp_path, make_encoder, tasks):
    write_bundle(tmp_path / "bundle", make_encoder, tasks)
    add_scores(tmp_path / "bundle", tasks)
    seal(tmp_path / "bundle", replace(manifest_of(tasks), dimensions=FITS))
    cut = Predictor.load(tmp_path / "bundle", **EXACT, dimensions=8)
    with pytest.raises(UserError, match="dimensions: coverage and accuracy are promised of the whole embedding alone"):
        cut.select(coverage={"category": 0.9})
    assert cut.select().least_in_set == {}
    whole = Predictor.load(tmp_path / "bundle", **EXACT, dimensions=16)
    assert whole.select(coverage=0.9) == Predictor.load(tmp_path / "bundle", **EXACT).select(coverage=0.9)


def test_manifest_keeps_the_widths_and_stays_as_it_was_without(tmp_path, make_encoder, tasks):
    write_bundle(tmp_path / "bundle", make_encoder, tasks)
    assert unseal(tmp_path / "bundle").dimensions == FITS
    assert f'"format": {FORMAT}' in (tmp_path / "bundle" / "tasks.json").read_text()
    write_bundle(tmp_path / "plain", make_encoder, tasks, dimensions={})
    assert '"dimensions"' not in (tmp_path / "plain" / "tasks.json").read_text()
    assert '"format": 3' in (tmp_path / "plain" / "tasks.json").read_text()


@pytest.mark.parametrize(
    ("dimensions", "message"),
    [
        ({"wide": {}}, "dimensions: .* must be whole numbers above 0"),
        ({"8": {"other": {}}}, "dimensions.8: 'other' given; it must be one of category, sentiment"),
        ({"8": {"category": {"temperature": 0.0}}}, "temperature: 0.0 given"),
        ({"8": {"category": {"thresholds": [0.5]}}}, "category: 'thresholds' given; it must be what validation fits"),
    ],
)
def test_widths_that_no_run_writes_are_refused(tasks, dimensions, message):
    with pytest.raises(UserError, match=message):
        replace(manifest_of(tasks), dimensions=dimensions)
