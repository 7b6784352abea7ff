import asyncio

import pytest
from fastapi.testclient import TestClient
from support.servers import LIMITS, FakePredictor, get, post, running

from polyhead.deployment.server import create_app, read_token
from polyhead.deployment.server.access import HostMiddleware
from polyhead.errors import UserError

TOKEN = "correct-horse"
BEARER = f"Authorization: Bearer {TOKEN}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(FakePredictor(tmp_path_factory.mktemp("no_bundle")), hosts=["Heads.example"], token=TOKEN) as server:
        yield server


def status_of(host, server=("127.0.0.1", 8000), hosts=()):
    """Return the status that a request with a Host header is answered by."""
    statuses = []

    async def app(scope, receive, send):
        statuses.append(200)

    async def send(message):
        statuses.append(message.get("status"))

    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    asyncio.run(HostMiddleware(app, hosts)({"type": "http", "headers": headers, "server": server}, None, send))
    return statuses[0]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "127.0.0.1", "[::1]", "[::1]:8000"])
def test_host_of_loopback_is_served_at_any_port(host):
    """A container's port may be published as another one."""
    assert status_of(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ":8000",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example@localhost:x@",
        "127.0.0.1.evil.example",
        "10.0.0.7",
        "::1",
        "[::1].evil.example",
        "localhost, evil.example",
        "localhost/evil",
        "\xe9vil",
    ],
)
def test_host_that_was_not_asked_for_is_refused(host):
    assert status_of(host) == 421


def test_host_is_the_address_that_the_client_reached_or_a_name_that_was_given():
    assert status_of("10.0.0.7:8000", server=("10.0.0.7", 8000)) == 200
    assert status_of("[fd00::7]:8000", server=("fd00::7", 8000)) == 200
    assert status_of("heads.example:443", hosts=["Heads.example"]) == 200
    assert status_of("www.heads.example", hosts=["heads.example"]) == 421
    assert status_of("evil.example", hosts=["*"]) == 200


def test_host_is_asked_before_the_token_and_everywhere(server):
    for path in ("/", "/health", "/metrics", "/openapi.json", "/nowhere"):
        reply = server.ask(get(path, host="evil.example:8000", extra=BEARER))
        assert reply.status == 421
        assert "Host: evil.example:8000 given; this server does not go by that name" in reply.error
    assert server.ask(get("/health", host="heads.example")).status == 200


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "Authorization: Bearer",
        "Authorization: Bearer wrong",
        f"Authorization: Bearer {TOKEN}x",
        f"Authorization: Bearer {TOKEN[:-1]}",
        f"Authorization: Basic {TOKEN}",
        f"Authorization: {TOKEN}",
        "Authorization: Bearer caf\xc3\xa9",
        f"X-Authorization: Bearer {TOKEN}",
    ],
)
def test_token_is_asked_for_and_nothing_is_computed_without_it(server, extra):
    server.predictor.computed.clear()
    for request in (post(["secret"], extra=extra), get("/metrics", extra=extra), get("/openapi.json", extra=extra)):
        reply = server.ask(request)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer TOKEN" in reply.error
    assert server.predictor.computed == []


def test_token_opens_everything_and_its_scheme_is_spelled_in_any_case(server):
    assert server.ask(post(["secret"], extra=BEARER)).status == 200
    assert server.ask(post(["secret"], extra=BEARER.replace("Bearer", "bearer"))).status == 200
    assert server.ask(get("/metrics", extra=BEARER)).status == 200
    assert b'"tasks"' in server.ask(get("/health", extra=BEARER)).body


def test_token_is_not_asked_for_by_the_page_and_a_probe_learns_nothing_but_that_it_serves(server):
    assert b"Authorization" in server.ask(get("/")).body
    assert b"Authorization" in server.ask(get("/docs")).body
    assert server.ask(get("/health")).body == b'{"status":"ok"}'
    assert server.ask(get("/health", method="HEAD")).status == 200


def test_token_is_refused_before_the_body_is_read(server):
    """Nobody without a token makes the server hold bytes."""
    with server.connect() as connection:
        connection.sendall(post(["x"])[:-5])
        assert connection.recv(12) == b"HTTP/1.1 401"


def test_token_stands_in_the_description(server, tmp_path):
    with TestClient(create_app(FakePredictor(tmp_path), LIMITS, 8, token=TOKEN)) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        content = client.get("/openapi.json").json()
    assert content["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    asking = {path for path, methods in content["paths"].items() for one in methods.values() if "security" in one}
    free = {"/health"}
    assert asking == set(content["paths"]) - free
    assert "401" in content["paths"]["/metrics"]["get"]["responses"]
    assert "401" not in content["paths"]["/health"]["get"]["responses"]


def test_read_token_takes_a_word(tmp_path):
    (tmp_path / "token").write_text(f"  {TOKEN}\n", encoding="ascii")
    assert read_token(str(tmp_path / "token")) == TOKEN


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"two\nlines", "é".encode(), b"\x00\xff", b"a\x07"])
def test_read_token_refuses_what_is_no_word_in_one_line(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(UserError, match=r"^token_file: .*token holds no token; it must be one word") as error:
        read_token(str(tmp_path / "token"))
    assert "\n" not in str(error.value)


def test_read_token_refuses_a_file_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match="^token_file: .* cannot be read"):
            read_token(str(path))
