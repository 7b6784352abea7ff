"""The signals of a server process, given to one that runs in a thread."""

import signal
import threading

import pytest
from support.servers import LIMITS, FakePredictor, RunningServer, get, post

from polyhead.app.jobs.serve import _listen, _settings
from polyhead.deployment.server import ServerProcess, create_app


@pytest.fixture
def started(tmp_path):
    """Return a function that starts a server; all are stopped in the end."""
    threads = []

    def start(drain_seconds, reload=None, **options):
        listener = _listen("127.0.0.1", 0)
        address = listener.getsockname()[:2]
        app = create_app(FakePredictor(tmp_path), LIMITS, 8, **options)
        process = ServerProcess(_settings(app, LIMITS, 5), app.state.service.stop, drain_seconds, reload)
        thread = threading.Thread(target=process.run, args=([listener],))
        thread.start()
        threads.append((process, thread))
        return process, thread, RunningServer(None, address, lambda: None)

    yield start
    for process, thread in threads:
        process.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_process_that_drains_says_so_and_still_answers(started):
    process, thread, server = started(600)
    assert server.ask(get("/health")).status == 200
    with server.connect() as idle:
        process.handle_exit(signal.SIGTERM, None)
        assert server.ask(get("/health")).status == 503
        answer = server.ask(post(["still"]))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        idle.sendall(post(["open since before"]))
        assert idle.recv(15).endswith(b"200 OK")
    assert thread.is_alive()
    process.handle_exit(signal.SIGTERM, None)  # a second one ends the wait
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_process_ends_once_it_has_drained(started):
    process, thread, server = started(0.3)
    assert server.ask(post(["a"])).status == 200
    process.handle_exit(signal.SIGTERM, None)
    thread.join(timeout=60)
    assert not thread.is_alive()


@pytest.mark.parametrize(("drain_seconds", "sig"), [(0, signal.SIGTERM), (600, signal.SIGINT)])
def test_process_ends_at_once_without_draining_and_on_ctrl_c(started, drain_seconds, sig):
    process, thread, server = started(drain_seconds)
    assert server.ask(get("/health")).status == 200
    process.handle_exit(sig, None)
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_process_keeps_connections_open_while_it_does_not_stop(started):
    _, _, server = started(0)
    assert "connection" not in server.ask(post(["a"])).headers
