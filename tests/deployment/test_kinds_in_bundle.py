"""A bundle with tasks of all kinds answers as the model does, through Predictor, graph and server; and is checked."""

import json
import re

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from support.bundles import MAX_LENGTH, bundle_tokenizer, spoken
from support.kinds import FITS, TASKS

from polyhead.deployment.bundle.classifiers import write_classifiers
from polyhead.deployment.bundle.folder import Bundle, write_model
from polyhead.deployment.bundle.manifest import FILE, Manifest, TaskEntry, seal
from polyhead.deployment.bundle.model_card import model_card
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server import Limits, create_app
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel

LIMITS = Limits(characters=200, texts=8, body_bytes=2000, waiting_texts=16)


@pytest.fixture
def manifest():
    entries = [TaskEntry.of(task, FITS.get(task.name, {}), {task.kind.headline: 0.5}) for task in TASKS]
    return Manifest(entries, MAX_LENGTH, {"polyhead": "0"})


@pytest.fixture
def model(make_encoder):
    return MultiTaskModel(make_encoder(), TASKS, dropout=0.1).eval()


@pytest.fixture
def folder(tmp_path, model, manifest):
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_model(folder, model, bundle_tokenizer())
    seal(folder, manifest)
    return folder


def logits_of(model, text):
    ids = torch.from_numpy(bundle_tokenizer().tokenize([text]).ids.astype(np.int64))[None]
    with torch.inference_mode():
        return {name: logits[0].double() for name, logits in model.classify(model.encoder(ids)).items()}


def test_predictor_answers_by_the_kind_of_each_task(model, folder):
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    some = spoken(20)
    predictions = predictor.predict(some)
    for row, text in enumerate(some):
        logits, found = logits_of(model, text), predictions[row]
        assert found.labels["tone"] == TASKS[0].labels[int(logits["tone"].argmax())]
        assert found.labels["stars"] == pytest.approx(10 + 4 * logits["stars"].item(), rel=1e-4)
        shares = logits["tags"].sigmoid()
        assert list(found.probabilities["tags"].values()) == pytest.approx(shares.tolist(), abs=1e-5)
        reached = shares >= torch.tensor(FITS["tags"]["thresholds"])
        assert found.labels["tags"] == [
            label for label, is_given in zip(TASKS[2].labels, reached, strict=True) if is_given
        ]
        beyond = logits["grade"].sigmoid().cumprod(0)
        assert found.labels["grade"] == TASKS[3].labels[int((beyond > 0.5).sum())]
        assert sum(found.probabilities["grade"].values()) == pytest.approx(1)
        assert "stars" not in found.probabilities
    assert predictions[-1].labels == predictions[len(some) - 1].labels
    assert predictions[2:5].labels("stars") == predictions.labels("stars")[2:5]


def test_server_answers_by_the_kind_of_each_task(folder):
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    some = spoken(5)
    expected = predictor.predict(some)
    with TestClient(create_app(predictor, LIMITS, 8)) as client:
        answers = client.post("/predict", json={"texts": some, "top_k": 1}).json()["predictions"]
        refused = client.post("/predict", json={"texts": some, "coverage": 0.9})
        health = client.get("/health").json()
    for answer, ours in zip(answers, expected, strict=True):
        assert {task: one["label"] for task, one in answer.items()} == ours.labels
        assert answer["stars"]["probabilities"] == {}
        assert len(answer["grade"]["probabilities"]) == 1
    assert refused.status_code == 409
    assert "only single_label and entailment tasks promise it" in refused.json()["error"]
    assert health["tasks"]["stars"] == []


def test_coverage_is_refused_where_it_is_asked_of_other_kinds(folder):
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    with pytest.raises(UserError, match="^accuracy: stars is number, tags is multi_label, grade is ordinal, and only"):
        predictor.select(accuracy=0.9)


def test_classifiers_are_refused_of_other_kinds(tmp_path, model):
    with pytest.raises(UserError, match="^classifiers: they are of single_label tasks, and stars is number"):
        write_classifiers(tmp_path, model, TASKS, bundle_tokenizer())


def test_card_says_what_the_logits_of_each_kind_are(manifest):
    card = model_card("a", manifest, "mean", "", graph=False)
    assert "4 linear heads" in card
    assert "`ordinal` has one per step" in card
    assert re.search(r"\| stars +\| number +\|", card)
    assert re.search(r"\| grade +\| ordinal: poor, fair, good, best +\|", card)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (1, {"kind": "numbr"}, "unknown 'numbr'"),
        (1, {"settings": {"spread": 0}}, "spread"),
        (1, {"settings": {"__class__": 1}}, "number has no '__class__'"),
        (1, {"labels": ["a", "b"]}, "a number has no classes"),
        (1, {"thresholds": [0.5]}, "nothing that number fits"),
        (2, {"thresholds": [0.5, 0.5]}, "a number from 0 to 1 for each label"),
        (2, {"thresholds": [0.5, 0.5, 7.0]}, "a number from 0 to 1 for each label"),
        (2, {"settings": {"separator": 5}}, "separator: 5 given"),
        (3, {"labels": ["poor"]}, "at least two"),
    ],
)
def test_manifest_with_values_that_no_export_writes_is_refused(folder, task, changes, message):
    content = json.loads((folder / FILE).read_text())
    content["tasks"][task] |= changes
    (folder / FILE).write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        Bundle.open(folder)


def test_manifest_of_other_kinds_asks_older_versions_for_a_newer_one(folder, tmp_path, model):
    assert json.loads((folder / FILE).read_text())["format"] == 4
    other = tmp_path / "plain"
    other.mkdir()
    seal(other, Manifest([TaskEntry.of(TASKS[0], {}, {})], MAX_LENGTH, {}))
    content = json.loads((other / FILE).read_text())
    assert content["format"] == 3
    assert content["tasks"] == [{"name": "tone", "labels": ["dry", "warm"], "temperature": None, "metrics": {}}]
