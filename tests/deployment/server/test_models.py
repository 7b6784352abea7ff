"""Several models in one server: who answers, who is refused, what is counted."""

import pytest
from fastapi.testclient import TestClient
from support.servers import LIMITS
from support.tagged import TaggedPredictor

from polyhead.deployment.server import ServedModel, check_names, create_service
from polyhead.errors import ParameterError


@pytest.fixture
def models(tmp_path):
    return [
        ServedModel("mails", TaggedPredictor(tmp_path, tag=1)),
        ServedModel("reviews", TaggedPredictor(tmp_path, tag=2)),
    ]


@pytest.fixture
def client(models):
    with TestClient(create_service(models, LIMITS, 8), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "tag"), [({}, 1), ({"model": None}, 1), ({"model": "mails"}, 1), ({"model": "reviews"}, 2)]
)
def test_request_is_answered_by_the_model_that_it_names_or_the_first(client, asked, tag):
    assert client.post("/embed", json={"texts": ["abc"], **asked}).json() == {"embeddings": [[tag, 3]]}
    assert client.post("/predict", json={"texts": ["abc"], **asked}).status_code == 200
    assert client.get("/about", params={k: v for k, v in asked.items() if v}).json()["version"] == f"v{tag}"


def test_openai_embeddings_come_from_the_model_that_is_named(client):
    for name, tag in (("mails", 1), ("reviews", 2)):
        answer = client.post("/v1/embeddings", json={"model": name, "input": "abc"}).json()
        first, second = answer["data"][0]["embedding"]
        assert (answer["model"], first / second) == (name, pytest.approx(tag / 3))


def test_models_are_listed_in_order(client):
    assert [entry["id"] for entry in client.get("/v1/models").json()["data"]] == ["mails", "reviews"]
    assert client.get("/health").json()["models"] == ["mails", "reviews"]


def test_health_of_one_model_lists_none(models):
    with TestClient(create_service(models[:1], LIMITS, 8)) as client:
        assert "models" not in client.get("/health").json()


@pytest.mark.parametrize("path", ["/predict", "/embed", "/neighbours"])
def test_unknown_model_is_refused_in_a_line_that_lists_those_there_are(client, path):
    answer = client.post(path, json={"texts": ["a"], "model": "x" * 900})
    assert answer.status_code == 404
    line = "given; this server has the models 'mails', 'reviews'"
    assert answer.json() == {"error": f"model: {'x' * 100!r} {line}"}


def test_unknown_model_is_refused_in_the_form_of_openai(client):
    answer = client.post("/v1/embeddings", json={"model": "gpt", "input": "a"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "'mails', 'reviews'" in answer.json()["error"]["message"]
    assert client.get("/about?model=gpt").status_code == 404


def test_counters_carry_the_model(client):
    client.post("/embed", json={"texts": ["a", "b"], "model": "reviews"})
    client.post("/embed", json={"texts": ["a"], "model": "gpt"})
    text = client.get("/metrics").text
    assert 'polyhead_requests_total{model="reviews",path="/embed",status="200"} 1.0' in text
    assert 'polyhead_requests_total{model="",path="/embed",status="404"} 1.0' in text
    assert 'polyhead_batch_texts_sum{model="reviews"} 2.0' in text
    assert 'polyhead_waiting_texts{model="mails"} 0.0' in text
    assert 'polyhead_model_info{model="mails",version="v1"} 1.0' in text
    assert "gpt" not in text  # what clients send takes no memory


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([], "model: no model given; name a bundle"),
        (["a", "b", "a"], "model: two models are called 'a'; give them names: model={NAME: FOLDER, NAME: FOLDER}"),
    ],
)
def test_names_are_each_a_model_s_own(names, line):
    with pytest.raises(ParameterError) as error:
        check_names(names)
    assert str(error.value).startswith(line)
