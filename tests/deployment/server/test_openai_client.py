"""The client that OpenAI publishes, speaking to our server."""

import base64
import contextlib
import re
import textwrap

import numpy as np
import pytest
from support.commands import ROOT
from support.servers import FakePredictor, answer_to, get, post, running

TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def openai():
    """The client, which takes two seconds to import: a process that runs other tests does without."""
    return pytest.importorskip("openai", reason="pip install polyhead[test]: the client of OpenAI's API is not there")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(FakePredictor(tmp_path_factory.mktemp("served")), token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def client_of(openai):
    def client_of(server, key=TOKEN):
        host, port = server.address
        return openai.OpenAI(base_url=f"http://{host}:{port}/v1", api_key=key, max_retries=0)

    return client_of


def directions(texts):
    vectors = np.array([answer_to(text) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_openai_client_gets_the_embeddings(server, client_of, options):
    texts = ["one", "two words", "and three words"]
    with client_of(server) as client:
        found = client.embeddings.create(model=client.models.list().data[0].id, input=texts, **options)
    entries = [entry.embedding for entry in found.data]
    if options.get("encoding_format") == "base64":  # whoever asks for it decodes it; by itself the client does both
        entries = [np.frombuffer(base64.b64decode(entry), "<f4") for entry in entries]
    np.testing.assert_allclose(entries, directions(texts), atol=1e-6)
    assert found.usage.prompt_tokens == 6


def test_openai_client_takes_one_text(server, client_of):
    with client_of(server) as client:
        found = client.embeddings.create(model="fake", input="one", dimensions=2)
    np.testing.assert_allclose(found.data[0].embedding, directions(["one"])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("key", "options", "kind", "line"),
    [
        ("wrong", {}, "AuthenticationError", "this server asks for a token"),
        (TOKEN, {"model": "gpt"}, "NotFoundError", "this server has one model, 'fake'"),
        (TOKEN, {"input": [[1, 2]]}, "BadRequestError", "token ids given; send texts"),
        (TOKEN, {"input": ""}, "BadRequestError", "a blank text has no prediction"),
        (TOKEN, {"dimensions": 1}, "BadRequestError", "dimensions: 1 given; it must be 2 or left out"),
    ],
)
def test_openai_client_raises_its_own_errors_with_our_lines(server, openai, client_of, key, options, kind, line):
    with client_of(server, key) as client, pytest.raises(getattr(openai, kind), match=line) as error:
        client.embeddings.create(**{"model": "fake", "input": "one", **options})
    assert error.value.body["message"] in str(error.value)
    assert error.value.type == "invalid_request_error"


def test_openai_client_of_the_docs_runs_as_it_stands_there(server, openai, capsys):
    page = (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
    block = re.search(r"^    from openai import OpenAI\n(?:    .*\n|\n(?=    ))+", page, re.MULTILINE)[0]
    host, port = server.address
    code = textwrap.dedent(block).replace("127.0.0.1:8000", f"{host}:{port}").replace('"none"', f'"{TOKEN}"')
    exec(compile(code, "deploy.md", "exec"), {})
    assert capsys.readouterr().out == "2 8\n"


def test_openai_client_is_told_that_the_queue_is_full(server, openai, client_of):
    server.predictor.go.clear()
    server.predictor.computing.clear()
    bearer = f"Authorization: Bearer {TOKEN}"
    with contextlib.ExitStack() as stack:
        for count in (1, 8, 8):  # one computes, sixteen may wait
            connection = stack.enter_context(server.connect())
            connection.sendall(post(["x"] * count, extra=bearer))
            assert server.predictor.computing.wait(timeout=20)
        while b'polyhead_waiting_texts{model="fake"} 16.0' not in server.ask(get("/metrics", extra=bearer)).body:
            pass
        with client_of(server) as client, pytest.raises(openai.RateLimitError, match="try again in a second") as error:
            client.embeddings.create(model="fake", input="one")
        assert error.value.response.headers["Retry-After"] == "1"
        server.predictor.go.set()
