"""What clients of OpenAI's API are given, read as that API says it."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from support.bundles import make_bundle, manifest_of, spoken
from support.servers import LIMITS, FakePredictor

from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server import create_app

TOKEN = "correct-horse"


@pytest.fixture
def client(tmp_path):
    with TestClient(create_app(FakePredictor(tmp_path), LIMITS, 8), raise_server_exceptions=False) as client:
        yield client


def embed(client, given, **options):
    return client.post("/v1/embeddings", json={"model": "fake", "input": given, **options})


def test_openai_embeddings_are_the_predictor_s_with_length_1(tmp_path, model, tasks):
    some = spoken(8)
    predictor = Predictor.load(make_bundle(tmp_path / "bundle", model, tasks), precision="32-true", device="cpu")
    expected = predictor.predict(some).embeddings
    with TestClient(create_app(predictor, LIMITS, 8)) as client:
        content = client.post("/v1/embeddings", json={"model": "bundle", "input": some}).json()
    vectors = np.array([entry["embedding"] for entry in content["data"]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors * np.linalg.norm(expected, axis=1)[:, None], expected, atol=1e-4)
    tokens = sum(len(predictor.runner.tokenizer.tokenize([text]).ids) for text in some)
    assert content["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_openai_answer_has_the_documented_form(client):
    content = embed(client, ["a b", "c"]).json()
    assert set(content) == {"object", "data", "model", "usage"}
    assert (content["object"], content["model"]) == ("list", "fake")
    assert content["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [(entry["object"], entry["index"]) for entry in content["data"]] == [("embedding", 0), ("embedding", 1)]


def test_openai_base64_holds_the_same_numbers(client):
    plain = embed(client, "a b", dimensions=2, user="me").json()["data"][0]["embedding"]
    coded = embed(client, "a b", encoding_format="base64").json()["data"][0]["embedding"]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(coded), dtype="<f4"), np.float32(plain))


def test_openai_embeddings_come_at_the_widths_that_were_trained(tmp_path, model, tasks):
    folder = make_bundle(tmp_path / "bundle", model, tasks)
    seal(folder, replace(manifest_of(tasks), dimensions={"3": {}}))
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    expected = predictor.predict(["a b"]).embeddings[0, :3]
    with TestClient(create_app(predictor, LIMITS, 8)) as client:
        body = {"model": "bundle", "input": "a b"}
        (entry,) = client.post("/v1/embeddings", json={**body, "dimensions": 3}).json()["data"]
        refused = client.post("/v1/embeddings", json={**body, "dimensions": 2}).json()["error"]["message"]
    np.testing.assert_allclose(entry["embedding"], expected / np.linalg.norm(expected), atol=1e-5)
    assert refused.startswith(f"dimensions: 2 given; it must be {predictor.hidden_size} or 3 or left out")


def test_openai_embeddings_of_windows_come_at_their_own_width_alone(tmp_path, model, tasks):
    folder = make_bundle(tmp_path / "bundle", model, tasks)
    seal(folder, replace(manifest_of(tasks), dimensions={"3": {}}, windows=2))
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    with TestClient(create_app(predictor, LIMITS, 8)) as client:
        given = {"model": "bundle", "input": "a b", "dimensions": 3}
        refused = client.post("/v1/embeddings", json=given).json()["error"]["message"]
    assert refused.startswith(f"dimensions: 3 given; it must be {predictor.hidden_size} or left out")


def test_openai_models_lists_the_name_that_is_served(tmp_path):
    with TestClient(create_app(FakePredictor(tmp_path), LIMITS, 8, name="reviews")) as client:
        content = client.get("/v1/models").json()
        assert content == {
            "object": "list",
            "data": [{"id": "reviews", "object": "model", "owned_by": "polyhead"}],
        }
        assert client.post("/v1/embeddings", json={"model": "reviews", "input": "a"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "param", "line"),
    [
        ({"input": [[1, 2], [3]]}, 400, "input", "token ids given; send texts"),
        ({"input": [1, 2]}, 400, "input", "token ids given; send texts"),
        ({"input": []}, 400, "input", "at least 1 item"),
        ({"input": ["a"] * 9}, 400, "input", "at most 8 items"),
        ({"input": "x" * 201}, 400, "input", "at most 200 characters"),
        ({"input": ["a", " "]}, 400, "input", "input.1: a blank text has no prediction"),
        ({"input": {"a": 1}}, 400, "input", "valid list"),
        ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format", "'float' or 'base64'"),
        ({"input": "a", "dimensions": 1}, 400, "dimensions", "dimensions: 1 given; it must be 2 or left out"),
        ({"input": "a", "dimensions": 0}, 400, "dimensions", "greater than or equal to 1"),
        ({"input": "a", "texts": ["a"]}, 400, "texts", "Extra inputs are not permitted"),
        ({"input": "a", "model": "gpt"}, 404, "model", "model: 'gpt' given; this server has one model, 'fake'"),
        ({"input": "a", "model": "x" * 999}, 404, "model", "this server has one model, 'fake'"),
    ],
)
def test_openai_refusals_are_errors_in_openai_s_form(client, body, status, param, line):
    answer = client.post("/v1/embeddings", json={"model": "fake", **body})
    assert answer.status_code == status
    (error,) = answer.json().values()
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["code"] == ("model_not_found" if status == 404 else None)
    assert line in error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 300


def test_openai_refusals_of_what_stands_before_the_routes_have_the_form_too(tmp_path):
    with TestClient(create_app(FakePredictor(tmp_path), LIMITS, 8, token=TOKEN)) as client:
        refused = embed(client, "a")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert refused.json()["error"]["code"] == "invalid_api_key"
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert embed(client, "a").status_code == 200
        large = client.post("/v1/embeddings", content=b"x" * 100_001)
        assert (large.status_code, large.json()["error"]["type"]) == (413, "invalid_request_error")
        plain = client.post("/v1/embeddings", content="{}")
        assert (plain.status_code, plain.json()["error"]["param"]) == (415, None)
        assert client.get("/v1/embeddings").headers["Allow"] == "POST"
        assert "message" in client.get("/v1/nowhere").json()["error"]
        assert isinstance(client.get("/nowhere").json()["error"], str)


def test_openai_failure_inside_tells_no_details(tmp_path):
    predictor = FakePredictor(tmp_path)
    predictor.predict = lambda _: 1 / 0
    with TestClient(create_app(predictor, LIMITS, 8), raise_server_exceptions=False) as client:
        answer = embed(client, "a")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "its log says why" in answer.json()["error"]["message"]
