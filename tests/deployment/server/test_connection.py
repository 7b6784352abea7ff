"""Clients that mean harm or know no better, through sockets, against a server in a thread."""

import contextlib
import socket
import time
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from support.servers import LIMITS, FakePredictor, answer_to, get, head, post, read_reply, running
from uvicorn.server import ServerState

from polyhead.app.jobs.serve import _settings
from polyhead.deployment.server import bounded_by, create_app


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("no_bundle")


@pytest.fixture(scope="module")
def server(folder):
    with running(FakePredictor(folder)) as server:
        yield server


@pytest.fixture
def computed(server):
    """The texts that this test has computed."""
    server.predictor.computed.clear()
    return server.predictor.computed


def closed(connection):
    """Return whether the server ends the connection, with nothing more to read."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def send_for_ever(connection, requests):
    connection.setblocking(False)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            connection.send(requests)
        except BlockingIOError:
            time.sleep(0.02)


def serves(server):
    """Return whether the server answers somebody else."""
    reply = server.ask(post(["others"]))
    return reply.status == 200 and reply.embeddings == [answer_to("others")]


@pytest.mark.parametrize("sent", [0, 1, 0.5, -1])
def test_connection_refuses_a_body_that_is_cut_off_and_computes_nothing(server, computed, sent):
    request = post(["cut off"])
    start = request.index(b"\r\n\r\n") + 4
    size = len(request) - start
    end = start + int(sent * size if 0 < sent < 1 else sent % size)
    reply = server.ask(request[:end], half_close=True)
    assert reply.status == 400
    assert "the body ends before its time" in reply.error
    assert computed == []
    assert serves(server)


def test_connection_refuses_a_chunked_body_that_is_cut_off(server, computed):
    request = post(["cut off"]).replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX-Length: ")
    start = request.index(b"\r\n\r\n") + 4
    body = b"%x\r\n%s\r\n" % (len(request) - start, request[start:])  # whole, but without the last chunk
    assert server.ask(request[:start] + body, half_close=True).status == 400
    assert server.ask(request[:start] + body + b"nonsense\r\n").status == 400
    assert computed == []


def test_connection_forgets_a_client_that_goes_amid_its_body(server, computed):
    with server.connect() as connection:
        connection.sendall(head(1000) + b'{"texts": ["gone"')
    assert serves(server)
    assert computed == ["others"]


def test_connection_answers_a_client_that_has_closed_its_sending_half(server):
    server.predictor.go.clear()
    try:
        with server.connect() as connection:
            connection.sendall(post(["half"]))
            connection.shutdown(socket.SHUT_WR)
            server.predictor.computing.wait(timeout=20)
            time.sleep(0.05)  # for the server to see the end of what is sent
            server.predictor.go.set()
            reply = read_reply(connection)
            assert (reply.status, reply.embeddings) == (200, [answer_to("half")])
            assert closed(connection)
    finally:
        server.predictor.go.set()


def test_connection_answers_pipelined_requests_of_a_client_that_sends_no_more(server):
    with server.connect() as connection:
        connection.sendall(post(["first"]) + post(["second"]))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            content = stream.read()
    assert content.count(b"HTTP/1.1 200") == 2


def test_connection_refuses_a_cut_off_request_behind_a_whole_one(server, computed):
    with server.connect() as connection:
        connection.sendall(post(["first"]) + post(["second"])[:-5])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            content = stream.read()
    assert content.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 400" in content
    assert computed == ["first"]


@pytest.mark.parametrize(
    "request_part",
    [post(["slow"])[:-5], head(50), head(50, extra="Expect: 100-continue")],
    ids=["most", "none", "asks"],
)
def test_connection_ends_a_body_that_does_not_come_in_time(server, computed, request_part):
    with server.connect() as connection:
        connection.sendall(request_part)
        content = connection.makefile("rb").read()
    assert content.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 408 ")
    assert b"did not come whole within 0.4 seconds" in content
    assert computed == []


def test_connection_ends_heads_and_bodies_that_trickle(server, computed):
    """Each byte comes in time; the whole does not."""
    for request in (get("/health", extra="X-Slow: " + "x" * 200), head(5000) + b"[" * 5000):
        with server.connect() as connection:
            started = time.monotonic()
            connection.settimeout(0.03)
            reply = b""
            rest = request[-190:]
            connection.sendall(request[: -len(rest)])
            while not reply:
                assert time.monotonic() - started < 20
                connection.sendall(rest[:1])
                rest = rest[1:]
                try:
                    reply = connection.recv(1000)
                except TimeoutError:
                    continue
            assert reply.startswith(b"HTTP/1.1 408 ")


def test_connection_closes_without_a_word_where_no_request_comes(server):
    with server.connect() as connection:
        assert closed(connection)
    with server.connect() as connection:
        connection.sendall(post(["one"]))
        assert read_reply(connection).status == 200
        assert closed(connection)


def test_connection_has_all_the_time_while_the_server_computes(server):
    server.predictor.go.clear()
    try:
        with server.connect() as connection:
            connection.sendall(post(["long"]))
            time.sleep(1.5 * LIMITS.read_seconds)
            server.predictor.go.set()
            assert read_reply(connection).embeddings == [answer_to("long")]
    finally:
        server.predictor.go.set()


def test_connection_ends_a_client_that_takes_no_answer(server):
    """It asks for more than the system buffers for it, and reads nothing."""
    with server.connect() as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        send_for_ever(connection, get("/openapi.json") * 2000)
    assert serves(server)


def test_connections_are_bounded_and_there_is_room_again(server):
    held = [server.connect() for _ in range(LIMITS.connections)]
    for connection in held:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
    time.sleep(0.05)
    reply = server.ask(post(["one too many"]))
    assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (503, "1", "close")
    assert "too many connections" in reply.error
    for connection in held:
        connection.close()
    time.sleep(0.05)
    assert serves(server)


def test_connections_that_are_refused_are_counted_once(folder):
    with running(FakePredictor(folder)) as server:
        assert server.ask(b"NONSENSE\r\n\r\n").status == 400
        assert server.ask(b"GET /health HTTP/1.1\r\n").status == 408
        assert server.ask(post(["cut off"])[:-5], half_close=True).status == 400
        counted = server.ask(get("/metrics")).body.decode()
    assert 'polyhead_refused_connections_total{status="400"} 1.0' in counted
    assert 'polyhead_refused_connections_total{status="408"} 1.0' in counted
    assert 'polyhead_requests_total{model="",path="/embed",status="400"} 1.0' in counted


def test_connections_that_stall_hold_no_more_than_the_limit_and_give_it_back(server, computed):
    """Each of five bodies holds 90 kB of the 200 kB that all may hold; the small ones of others find their way."""
    held = [server.connect() for _ in range(5)]
    for connection in held:
        connection.sendall(head(95_000) + b" " * 90_000)
    time.sleep(0.05)
    assert serves(server)
    reply = server.ask(head(90_000) + b" " * 90_000)
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert "too many bytes wait" in reply.error
    for connection in held:
        assert read_reply(connection).status == 408
        connection.close()
    body = post(["large"])
    body = head(90_000) + body[body.index(b"\r\n\r\n") + 4 :].ljust(90_000)
    assert server.ask(body).embeddings == [answer_to("large")]
    assert computed == ["others", "large"]


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (b"nonsense\r\n\r\n", 400, "Invalid HTTP request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "Invalid HTTP request"),
        (b"GET /health HTTP/1.1\r\n\r\n", 400, "Invalid HTTP request"),
        (get("/health", extra="Host: localhost"), 400, "Invalid HTTP request"),
        (post(["a"], extra="Content-Length: 5"), 400, "Invalid HTTP request"),
        (get("/health", extra="X: " + "x" * 70_000), 431, "the head of the request is too large"),
        (get("/" + "x" * 70_000), 431, "the head of the request is too large"),
        (get("/health", extra="Transfer-Encoding: gzip"), 501, "Invalid HTTP request"),
        (get("http://localhost/health"), 404, "no path given; /openapi.json lists what is served"),
        (get("*"), 404, "no path given; /openapi.json lists what is served"),
    ],
)
def test_connection_refuses_what_is_no_http_or_no_path_in_one_line(server, request_, status, message):
    reply = server.ask(request_)
    assert reply.status == status
    assert message in reply.error
    assert serves(server)


def test_connections_end_with_the_server_without_a_traceback(folder, capfd):
    """Some stall, one is computed for longer than the server has time: each gets its one line."""
    predictor = FakePredictor(folder)
    predictor.go.clear()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(predictor, stop_seconds=0.2))
        stalled, begun, computing, _silent = (stack.enter_context(server.connect()) for _ in range(4))
        stalled.sendall(head(1000) + b"[")
        begun.sendall(b"POST /embed HT")
        computing.sendall(post(["long"]))
        predictor.computing.wait(timeout=20)
        server.request_stop()
        replies = [read_reply(stalled), read_reply(computing)]
        assert closed(begun)
        predictor.go.set()
    assert [reply.status for reply in replies] == [503, 503]
    assert all("the server is stopping" in reply.error for reply in replies)
    assert "Traceback" not in capfd.readouterr().err


class Clock:
    """A loop whose time stands still: it notes the timers that run."""

    def __init__(self):
        self.timers = []

    def call_later(self, seconds, callback):
        timer = SimpleNamespace(callback=callback, cancel=lambda: self.timers.remove(timer))
        self.timers.append(timer)
        return timer

    def create_task(self, coroutine):
        coroutine.close()  # the application never answers
        return MagicMock()

    @property
    def turns(self):
        return [timer for timer in self.timers if timer.callback.__name__ == "_end_turn"]


@pytest.fixture
def connection(folder):
    settings = _settings(create_app(FakePredictor(folder), LIMITS, 8), LIMITS, 5)
    transport = MagicMock(is_closing=lambda: False)
    transport.get_extra_info.return_value = None
    protocol = bounded_by(LIMITS, lambda status: None)(
        config=settings, server_state=ServerState(), app_state={}, _loop=Clock()
    )
    protocol.connection_made(transport)
    return protocol


def test_connection_gives_a_request_its_time_from_its_first_byte(connection):
    (waiting,) = connection.loop.turns
    request = post(["own time"])
    connection.data_received(request[:5])
    (first,) = connection.loop.turns
    assert first is not waiting
    connection.data_received(request[5:-5])
    assert connection.loop.turns == [first]  # and no more for each part
    connection.data_received(request[-5:])
    assert connection.loop.turns == []


def test_connection_gives_time_to_take_an_answer_that_is_stuck(connection):
    connection.data_received(post(["stuck"]))
    connection.pause_writing()
    assert len(connection.loop.turns) == 1
    connection.resume_writing()
    assert connection.loop.turns == []


def test_connection_refuses_a_stalled_body_as_soon_as_the_server_stops(connection):
    connection.data_received(post(["stalled"])[:-5])
    connection.shutdown()
    assert connection.transport.write.call_args_list[0].args[0].startswith(b"HTTP/1.1 503 ")
    connection.transport.close.assert_called_once()
    assert connection.cycle.disconnected  # the application's own answer is dropped
    assert connection.cycle.message_event.is_set()  # and it does not wait for more
