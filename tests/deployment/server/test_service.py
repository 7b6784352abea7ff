import shutil
import threading
import time

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from pydantic import ValidationError
from support.bundles import add_scores, make_bundle, manifest_of, texts

from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server import Limits, create_app
from polyhead.deployment.server.schemas import texts_model
from polyhead.models.multitask import MultiTaskModel

LIMITS = Limits(characters=200, texts=8, body_bytes=2000, waiting_texts=16)


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks)


@pytest.fixture
def predictor(folder):
    return Predictor.load(folder, precision="32-true", device="cpu")


@pytest.fixture(scope="module")
def steady_folder(make_encoder, tasks, tmp_path_factory):
    """A bundle for all tests here that change nothing of it."""
    torch.manual_seed(0)
    model = MultiTaskModel(make_encoder(), tasks, dropout=0.1)
    return make_bundle(tmp_path_factory.mktemp("steady") / "bundle", model, tasks)


@pytest.fixture(scope="module")
def steady(steady_folder):
    """A client for all tests that leave its service as it was."""
    predictor = Predictor.load(steady_folder, precision="32-true", device="cpu")
    with TestClient(create_app(predictor, LIMITS, 8), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(predictor):
    with TestClient(create_app(predictor, LIMITS, 8), raise_server_exceptions=False) as client:
        yield client


def test_service_answers_with_the_predictor_s_predictions(client, predictor):
    some = [text for text in texts(10) if text.strip()][:8]
    expected = predictor.predict(some)
    predictions = client.post("/predict", json={"texts": some}).json()["predictions"]
    embeddings = client.post("/embed", json={"texts": some}).json()["embeddings"]
    np.testing.assert_allclose(embeddings, expected.embeddings, atol=1e-6)
    for found, ours in zip(predictions, expected, strict=True):
        assert {task: answer["label"] for task, answer in found.items()} == ours.labels
        for task, answer in found.items():
            assert answer["probabilities"] == pytest.approx(ours.probabilities[task], abs=1e-6)


def test_service_gives_the_most_probable_classes_by_top_k(client, predictor):
    (expected,) = predictor.predict(["w1 w2"])
    (found,) = client.post("/predict", json={"texts": ["w1 w2"], "top_k": 2.0}).json()["predictions"]
    for task, answer in found.items():
        best = sorted(expected.probabilities[task].items(), key=lambda entry: -entry[1])[:2]
        assert list(answer["probabilities"]) == [label for label, _ in best]
        assert next(iter(answer["probabilities"])) == answer["label"]


@pytest.mark.slow
def test_service_gives_each_of_many_clients_its_own_answer(client, predictor):
    some = [text for text in texts(20) if text.strip()]
    expected = predictor.predict(some).embeddings
    found = {}

    def ask(index):
        found[index] = client.post("/embed", json={"texts": [some[index]]}).json()["embeddings"][0]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(some))]
    for start in range(0, len(threads), 8):
        for thread in threads[start : start + 8]:
            thread.start()
        for thread in threads[start : start + 8]:
            thread.join()
    np.testing.assert_allclose([found[i] for i in range(len(some))], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ('{"texts": []}', 422, "at least 1 item"),
        ('{"texts": ["a", "a", "a", "a", "a", "a", "a", "a", "a"]}', 422, "at most 8 items"),
        ('{"texts": ["' + "x" * 201 + '"]}', 422, "at most 200 characters"),
        ('{"texts": ["a", " \\u3000"]}', 422, "body.texts.1: a blank text has no prediction"),
        ('{"texts": [1]}', 422, "body.texts.0: Input should be a valid string"),
        ('{"texts": ["\\ud800"]}', 422, "valid string"),
        ('{"texts": "a"}', 422, "valid list"),
        ('{"texts": ["a"], "top_k": 0}', 422, "body.top_k: Input should be greater than or equal to 1"),
        ('{"texts": ["a"], "top_k": "2"}', 422, "body.top_k: Input should be a valid integer"),
        ('{"texts": ["a"], "top": 1}', 422, "body.top: Extra inputs are not permitted"),
        ('{"txt": ["a"]}', 422, "body.texts: Field required"),
        ('{"' + "x" * 1900 + '": 1, "texts": ["a"]}', 422, "x: Extra inputs are not permitted"),
        ('{"texts": ["a"', 422, "JSON decode error"),
        ("[" * 1900, 422, 'send {"texts"'),
        (b'{"texts": ["\xff"]}', 422, "error parsing the body"),
        ("", 422, "Field required"),
        ('{"texts": ["' + "x" * 2000 + '"]}', 413, "larger than 2,000 bytes"),
    ],
)
def test_service_refuses_what_goes_beyond_the_limits_in_one_line(steady, content, status, message):
    answer = steady.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    (error,) = answer.json().values()
    assert message in error
    assert "\n" not in error
    assert len(error) < 300
    assert steady.post("/predict", json={"texts": ["w1"]}).status_code == 200


def test_service_refuses_second_texts_where_no_task_is_about_two(steady):
    answer = steady.post("/predict", json={"texts": ["w1"], "seconds": ["w2"]})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("body.seconds: Extra inputs are not permitted")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_service_asks_for_the_content_type_of_json_where_it_is_missing(steady, kind):
    answer = steady.post("/predict", content='{"texts": ["w1"]}', headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415
    assert answer.json()["error"].startswith(f"Content-Type: {kind or 'none'} given; it must be application/json")


def test_service_takes_a_content_type_in_capitals(steady):
    answer = steady.post("/predict", content="{}", headers={"Content-Type": "Application/JSON"})
    assert answer.json()["error"].startswith("body.texts: Field required")


def test_service_refuses_an_unknown_path_and_method(steady):
    assert steady.get("/nowhere").json()["error"].startswith("Not Found; /openapi.json lists")
    answer = steady.get("/predict")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    answer = steady.post("/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_service_redirects_nobody(steady):
    """A redirect would repeat the Host that a client sent."""
    assert steady.post("/predict/", json={"texts": ["w1"]}, follow_redirects=False).status_code == 404


@pytest.mark.parametrize("path", ["/", "/docs", "/about", "/health", "/metrics", "/openapi.json", "/v1/models"])
def test_service_answers_head_where_it_answers_get(steady, path):
    head, get = steady.head(path), steady.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize(("path", "status"), [("/predict", 405), ("/v1/embeddings", 405), ("/nowhere", 404)])
def test_service_refuses_head_as_it_refuses_get(steady, path, status):
    head, get = steady.head(path), steady.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"") == (status, b"")


def test_service_allows_no_page_of_another_origin_to_read_it(client):
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked = client.options("/predict", headers=origin)
    answer = client.post("/predict", json={"texts": ["w1"]}, headers=origin)
    assert asked.status_code == 405
    assert not [name for name in [*asked.headers, *answer.headers] if name.startswith("access-control")]


def test_service_answers_429_to_a_full_queue_and_loses_nothing(predictor, monkeypatch):
    """While a batch is computed 16 texts may wait; what comes beyond is refused, the rest answered."""
    go, computing = threading.Event(), threading.Event()
    whole = predictor.predict

    def slow(some):
        computing.set()
        assert go.wait(timeout=30)
        return whole(some)

    monkeypatch.setattr(predictor, "predict", slow)
    with TestClient(create_app(predictor, LIMITS, 8)) as client:
        answers = []

        def ask():
            answers.append(client.post("/embed", json={"texts": ["w1"] * 8}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        threads[0].start()
        computing.wait(timeout=30)
        for thread in threads[1:]:
            thread.start()
        while not answers:
            time.sleep(0.001)
        assert answers[0].status_code == 429
        assert answers[0].headers["Retry-After"] == "1"
        assert "try again in a second" in answers[0].json()["error"]
        assert 'polyhead_waiting_texts{model="bundle"} 16.0' in client.get("/metrics").text
        go.set()
        for thread in threads:
            thread.join(timeout=30)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]


def test_service_answers_500_to_a_failure_inside_without_its_details(predictor, monkeypatch):
    def fail(_):
        raise RuntimeError("secret")

    monkeypatch.setattr(predictor, "predict", fail)
    with TestClient(create_app(predictor, LIMITS, 8), raise_server_exceptions=False) as client:
        answer = client.post("/predict", json={"texts": ["w1"]})
    assert answer.status_code == 500
    assert answer.json() == {"error": "the server failed on this request; its log says why"}


def test_service_answers_503_once_it_stops(predictor):
    app = create_app(predictor, LIMITS, 8)
    with TestClient(app):
        pass
    late = TestClient(app)  # without the start and stop of the service around it
    assert late.get("/health").status_code == 503
    answer = late.post("/predict", json={"texts": ["w1"]})
    assert answer.status_code == 503
    assert "the server is stopping" in answer.json()["error"]


def test_health_lists_tasks_and_limits(client, tasks):
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["tasks"] == {task.name: list(task.labels) for task in tasks}
    assert health["limits"] == {**vars(LIMITS), "tokens": 16, "windows": 1}


def test_metrics_count_what_was_served_and_refused(client):
    client.post("/predict", json={"texts": ["w1", "w2"]})
    client.post("/predict", content=b"x" * 3000)
    text = client.get("/metrics").text
    assert 'polyhead_requests_total{model="bundle",path="/predict",status="200"} 1.0' in text
    assert 'polyhead_requests_total{model="",path="/predict",status="413"} 1.0' in text
    assert 'polyhead_batch_texts_sum{model="bundle"} 2.0' in text


def test_openapi_describes_every_path_with_its_limits(client):
    description = client.get("/openapi.json").json()
    ours = {"/predict", "/embed", "/neighbours", "/about", "/health", "/metrics"}
    assert set(description["paths"]) == ours | {"/v1/embeddings", "/v1/models"}
    field = description["components"]["schemas"]["Texts"]["properties"]["texts"]
    assert (field["minItems"], field["maxItems"], field["items"]["maxLength"]) == (1, 8, 200)
    always = {"200", "400", "408", "421", "431", "503"}
    for path in ours:
        method = description["paths"][path]
        responses = method["post" if "post" in method else "get"]["responses"]
        texts = {"404", "413", "415", "422", "429"} if "post" in method else set()
        assert set(responses) == always | texts | {"/predict": {"409"}, "/about": {"404", "422"}}.get(path, set())
        assert all(response["description"] for response in responses.values())
        assert all(set(content["content"]) == {"application/json"} for _, content in sorted(responses.items())[1:])
    assert "security" not in description["paths"]["/predict"]["post"]


def test_openapi_describes_metrics_as_they_are(client):
    (kind,) = client.get("/openapi.json").json()["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert kind == "text/plain"
    assert client.get("/metrics").headers["Content-Type"].startswith(kind)


def test_service_names_one_of_a_million_wrong_entries_and_no_more(predictor):
    """An error for each would take a gigabyte and five seconds of everybody's time."""
    body = '{"texts": ["w1"], ' + ", ".join(f'"{i}": 1' for i in range(100_000)) + "}"
    model = texts_model(LIMITS)
    with pytest.raises(ValidationError) as error:
        model.model_validate_json(body)
    assert error.value.error_count() == 1


def test_neighbours_come_from_the_bundle(client, folder, tasks, predictor):
    assert client.post("/neighbours", json={"texts": ["w1"]}).status_code == 404
    stored = texts(10)
    Neighbors.from_embeddings(stored, [predictor.predict(stored).embeddings]).write(folder)
    seal(folder, manifest_of(tasks))
    with TestClient(create_app(Predictor.load(folder, precision="32-true"), LIMITS, 8)) as other:
        (nearest,) = other.post("/neighbours", json={"texts": [stored[5]]}).json()["neighbours"]
    assert nearest[0]["sentence"] == stored[5]
    assert nearest[0]["cosine"] == pytest.approx(1, abs=1e-3)
    assert len(nearest) == 5


@pytest.fixture(scope="module")
def scored(steady_folder, tasks, tmp_path_factory):
    """A client of a bundle with scores, and its predictor."""
    folder = shutil.copytree(steady_folder, tmp_path_factory.mktemp("scored") / "bundle")
    add_scores(folder, tasks)
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    with TestClient(create_app(predictor, LIMITS, 8), raise_server_exceptions=False) as client:
        yield client, predictor


def test_service_gives_the_sets_and_answers_of_the_predictor(scored, tasks):
    client, predictor = scored
    some = [text for text in texts(10) if text.strip()][:8]
    shares = predictor.predict(some).probabilities
    sets, answers = predictor.select(coverage=0.9), predictor.select(accuracy={"category": 0.95})
    plain = client.post("/predict", json={"texts": some, "coverage": None}).json()["predictions"]
    with_sets = client.post("/predict", json={"texts": some, "coverage": 0.9}).json()["predictions"]
    wanted = {"texts": some, "accuracy": {"category": 0.95}, "top_k": 1}
    selected = client.post("/predict", json=wanted).json()["predictions"]
    for task in tasks:
        labels = [answer[task.name]["label"] for answer in plain]
        assert "set" not in plain[0][task.name]
        assert [answer[task.name]["set"] for answer in with_sets] == sets.label_sets(task, shares[task.name])
        assert [answer[task.name]["label"] for answer in with_sets] == labels
        answered = answers.answered(task, shares[task.name])
        expected = [label if given else None for label, given in zip(labels, answered, strict=True)]
        assert [answer[task.name]["label"] for answer in selected] == expected
    assert {len(answer["category"]["probabilities"]) for answer in selected} == {1}
    assert None in [answer["category"]["label"] for answer in selected]


@pytest.mark.parametrize(
    ("wanted", "status", "line"),
    [
        ('"coverage": 0', 422, "coverage: 0 given; it must be above 0 and below 1"),
        ('"coverage": 2', 422, "coverage: 2 given; it must be above 0 and below 1"),
        ('"coverage": "x"', 422, "coverage: 'x' given; it must be above 0 and below 1"),
        ('"accuracy": NaN', 422, "accuracy: nan given; it must be above 0 and below 1"),
        ('"accuracy": [[]]', 422, "accuracy: [[]] given; it must be above 0 and below 1"),
        ('"accuracy": {"category": true}', 422, "accuracy.category: True given; it must be above 0 and below 1"),
        ('"accuracy": {"MOOD": 0.9}'.replace("MOOD", "m" * 1000), 409, "accuracy: no task 'mmm"),
        ('"accuracy": 0.9, "coverage": 0.9', 409, "coverage and accuracy: both given; set one of them"),
        ('"coverage": 0.9999', 409, "coverage: 0.9999 cannot be promised for category: its 2,000 validation"),
        ('"coverage": "' + "x" * 1500 + '"', 422, "coverage: 'xxx"),
    ],
)
def test_service_refuses_in_one_line_what_it_cannot_promise(scored, wanted, status, line):
    client, _ = scored
    body = '{"texts": ["w1"], ' + wanted + "}"
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(line)
    assert len(answer.json()["error"]) <= 400


def test_service_of_a_bundle_without_scores_promises_nothing(steady):
    answer = steady.post("/predict", json={"texts": ["w1"], "coverage": 0.9})
    assert answer.status_code == 409
    assert answer.json()["error"].startswith("coverage: the model has no validation scores of category")
