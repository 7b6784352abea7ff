"""A bundle with tasks about two texts answers as the model does: through Predictor, graph and server."""

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from sentence_transformers import SentenceTransformer
from support.bundles import MAX_LENGTH, bundle_tokenizer, made_up_scores, spoken
from support.kinds import PAIR_TASKS

from polyhead.data.dataset import TokenizedSplit
from polyhead.deployment.backends import GRAPH
from polyhead.deployment.bundle.classifiers import write_classifiers
from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.graph import write_graph
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.deployment.bundle.model_card import model_card
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server import Limits, create_app
from polyhead.errors import ParameterError, UserError
from polyhead.models.multitask import MultiTaskModel

LIMITS = Limits(characters=200, texts=8, body_bytes=2000, waiting_texts=16)
FITS = {"tone": {"temperature": 2.0}, "relation": {"temperature": 0.5}}
FIRST, SECOND = spoken(12)[:6], [*spoken(12)[6:10], None, spoken(12)[11]]


@pytest.fixture
def manifest():
    entries = [TaskEntry.of(task, FITS.get(task.name, {}), {task.kind.headline: 0.5}) for task in PAIR_TASKS]
    return Manifest(entries, MAX_LENGTH, {"polyhead": "0"})


@pytest.fixture
def model(make_encoder):
    return MultiTaskModel(make_encoder(), PAIR_TASKS, dropout=0.1).eval()


def write(folder, model, manifest, graph=False):
    folder.mkdir()
    write_model(folder, model, bundle_tokenizer())
    if graph:
        write_graph(folder / GRAPH, model, MAX_LENGTH)
    seal(folder, manifest)
    return folder


@pytest.fixture
def predictor(tmp_path, model, manifest):
    return Predictor.load(write(tmp_path / "bundle", model, manifest), precision="32-true", device="cpu")


def logits_of(model, first, second):
    """Return what the model makes of a pair in training."""
    tokenizer = bundle_tokenizer()
    one, other = (tokenizer.tokenize([text]) for text in (first, second))
    split = TokenizedSplit(type(one)(one.ids, one.offsets, seconds=other), padding=0)
    with torch.inference_mode():
        return {name: logits[0].double() for name, logits in model(split[[0]]).items()}


def check(model, predictions, row):
    found, logits = predictions[row], logits_of(model, FIRST[row], SECOND[row])
    assert found.labels["alike"] == pytest.approx(logits["alike"].item(), abs=1e-5)
    one, other = logits["answers"].chunk(2)
    assert found.labels["answers"] == pytest.approx((one * other).sum().item(), abs=1e-5)
    shares = (logits["relation"] / FITS["relation"]["temperature"]).softmax(0)
    assert list(found.probabilities["relation"].values()) == pytest.approx(shares.tolist(), abs=1e-5)
    assert found.labels["relation"] == PAIR_TASKS[3].labels[int(shares.argmax())]
    assert found.labels["tone"] == PAIR_TASKS[0].labels[int(logits["tone"].argmax())]


def test_predictor_answers_for_pairs_as_the_model_does(model, predictor):
    predictions = predictor.predict(FIRST, SECOND)
    for row in (0, 1, 2, 3, 5):
        check(model, predictions, row)
    alone = predictions[4]
    assert {name: alone.labels[name] for name in ("alike", "answers", "relation")} == {
        "alike": None,
        "answers": None,
        "relation": None,
    }
    assert set(alone.probabilities) == {"tone"}
    assert predictions.labels("relation")[4] is None
    assert predictions[2:5].labels("alike") == predictions.labels("alike")[2:5]


def test_predictor_leaves_out_tasks_about_two_texts_where_there_is_one(predictor):
    predictions = predictor.predict(FIRST)
    assert [task.name for task in predictions.tasks] == ["tone"]
    assert predictions[0].labels.keys() == {"tone"}
    assert next(predictor.stream(FIRST)).labels("tone") == predictions.labels("tone")


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (SECOND[:3], "seconds: 3 given for 6 texts; give one for each, or None"),
        ("text", "seconds: 'text' given; it must be a list of texts"),
    ],
)
def test_predictor_refuses_second_texts_that_do_not_go_with_the_texts(predictor, seconds, message):
    with pytest.raises(ParameterError, match=message):
        predictor.predict(FIRST, seconds)


def test_predictor_refuses_second_texts_without_a_task_about_two(tmp_path, make_encoder):
    model = MultiTaskModel(make_encoder(), PAIR_TASKS[:1], dropout=0.1).eval()
    folder = write(tmp_path / "plain", model, Manifest([TaskEntry.of(PAIR_TASKS[0], {}, {})], MAX_LENGTH, {}))
    plain = Predictor.load(folder, precision="32-true", device="cpu")
    with pytest.raises(ParameterError, match="seconds: given, and no task of the model is about two texts"):
        plain.predict(FIRST, SECOND)


@pytest.mark.slow
def test_graph_embeds_and_the_heads_of_pairs_stand_outside_of_it(tmp_path, model, manifest, predictor):
    folder = write(tmp_path / "graph", model, manifest, graph=True)
    graph = Predictor.load(folder, backend="onnx")
    assert list(graph.runner.network.widths) == ["sentence_embedding", "tone_logits"]
    ours, theirs = graph.predict(FIRST, SECOND), predictor.predict(FIRST, SECOND)
    for name in ("alike", "answers"):
        np.testing.assert_allclose(ours.numbers[name], theirs.numbers[name], atol=1e-4)
    np.testing.assert_allclose(ours.probabilities["relation"], theirs.probabilities["relation"], atol=1e-4)


def test_bundle_with_pairs_opens_in_sentence_transformers(predictor):
    embeddings = SentenceTransformer(str(predictor.bundle.folder), device="cpu").encode(FIRST)
    np.testing.assert_allclose(embeddings, predictor.predict(FIRST).embeddings, atol=1e-5)


def test_bundle_of_pairs_alone_has_an_answer_for_them(tmp_path, make_encoder):
    task = PAIR_TASKS[1]
    model = MultiTaskModel(make_encoder(), [task], dropout=0.1).eval()
    folder = write(tmp_path / "alone", model, Manifest([TaskEntry.of(task, {}, {})], MAX_LENGTH, {}))
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    expected = [logits_of(model, FIRST[row], SECOND[row])["alike"].item() for row in range(3)]
    assert predictor.predict(FIRST[:3], SECOND[:3]).labels("alike") == pytest.approx(expected, abs=1e-5)


def test_server_answers_for_pairs_where_there_are_second_texts(predictor):
    expected = predictor.predict(FIRST, SECOND)
    with TestClient(create_app(predictor, LIMITS, 8)) as client:
        answers = client.post("/predict", json={"texts": FIRST, "seconds": SECOND}).json()["predictions"]
        alone = client.post("/predict", json={"texts": FIRST}).json()["predictions"]
        short = client.post("/predict", json={"texts": FIRST, "seconds": SECOND[:2]})
        blank = client.post("/predict", json={"texts": FIRST[:1], "seconds": [" "]})
        health = client.get("/health").json()
    for answer, ours in zip(answers, expected, strict=True):
        assert {task: one["label"] for task, one in answer.items()} == ours.labels
    assert answers[4]["relation"] == {"label": None, "probabilities": {}}
    assert set(alone[0]) == {"tone"}
    assert (short.status_code, short.json()["error"].partition(";")[0]) == (422, "seconds: 2 given for 6 texts")
    assert blank.status_code == 422
    assert health["pairs"] == ["alike", "answers", "relation"]


def test_server_answers_null_for_a_row_without_a_second_text_whoever_asks_beside_it(predictor):
    predictor.scores = made_up_scores([task for task in PAIR_TASKS if task.name == "relation"])
    with TestClient(create_app(predictor, LIMITS, 8), base_url="http://localhost") as client:
        alone, beside = (
            client.post("/predict", json={"texts": FIRST[:2], "seconds": seconds, "coverage": {"relation": 0.9}})
            for seconds in ([None, None], [None, SECOND[1]])
        )
    for answer in (alone.json()["predictions"][0], beside.json()["predictions"][0]):
        assert answer["relation"] == {"label": None, "probabilities": {}, "set": None}
        assert {task.name for task in PAIR_TASKS} == {*answer}
    assert beside.json()["predictions"][1]["relation"]["set"]


def test_classifiers_are_refused_of_pairs(tmp_path, model):
    with pytest.raises(
        UserError, match="they are of single_label tasks, and alike is similarity, answers is contrastive, rel"
    ):
        write_classifiers(tmp_path, model, PAIR_TASKS, bundle_tokenizer())


def test_card_says_how_pairs_are_answered(manifest):
    card = model_card("a", manifest, "mean", "", graph=True)
    assert "2 linear heads" in card
    assert 'predict(["A sentence."], ["Another one?"])' in card
    assert "alike, answers, relation are about two texts" in card
