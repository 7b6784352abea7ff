"""The signals of a server process, given to one that runs in a thread."""

import signal
import threading
import time

import pytest
from support.servers import LIMITS, FakePredictor, RunningServer, get, post

from polyhead.app.jobs.serve import _listen, _settings
from polyhead.deployment.server import EarlyHangUp, ServerProcess, create_app, hang_up_kept


@pytest.fixture
def started(tmp_path):
    """Return a function that starts a server; all are stopped in the end."""
    threads = []

    def start(drain_seconds, reload=None, hang_up=None, **options):
        listener = _listen("127.0.0.1", 0)
        address = listener.getsockname()[:2]
        app = create_app(FakePredictor(tmp_path), LIMITS, 8, **options)
        process = ServerProcess(
            _settings(app, LIMITS, 5), app.state.service.stop, drain_seconds, reload, hang_up or EarlyHangUp()
        )
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


def test_hang_up_is_kept_whichever_thread_the_system_gives_it_to():
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    before = signal.getsignal(signal.SIGHUP)
    try:
        with hang_up_kept() as early:
            assert not early.came
            signal.pthread_kill(other.ident, signal.SIGHUP)
            deadline = time.monotonic() + 60
            while not early.came and time.monotonic() < deadline:
                time.sleep(0.01)
            assert early == EarlyHangUp(came=True, ignored=False)
    finally:
        end.set()
        other.join()
    assert signal.getsignal(signal.SIGHUP) == before


def test_hang_up_that_was_ignored_is_ignored_again():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with hang_up_kept() as early:
            assert early.ignored
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_hang_up_that_came_early_reloads_once_there_is_a_server(started):
    reloaded = threading.Event()

    async def reload():
        reloaded.set()

    started(0, reload, hang_up=EarlyHangUp(came=True))
    assert reloaded.wait(60)
