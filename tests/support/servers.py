"""A server in a thread, a predictor that is a fake, and clients that speak through sockets."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from support.commands import ROOT

from polyhead.app.jobs.serve import _listen, _settings
from polyhead.deployment.predictions import Predictions
from polyhead.deployment.selection import Selection
from polyhead.deployment.server import Limits, create_app
from polyhead.tasks import Task
from polyhead.training.validation_scores import ValidationScores

TASK = Task("sentiment", ("Positive", "Negative"))
LIMITS = Limits(
    characters=200,
    texts=8,
    body_bytes=100_000,
    waiting_texts=16,
    waiting_bytes=200_000,
    connections=8,
    read_seconds=0.4,
)


def answer_to(text: str) -> list[float]:
    """Return the embedding that the fake gives a text."""
    return [float(len(text)), float(sum(text.encode()) % 997)]


@dataclass
class FakePredictor:
    """Predicts from the letters of a text, after some seconds per batch; while ``go`` is not set, it computes."""

    folder: Path
    seconds: float = 0.0
    computed: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    computing: threading.Event = field(default_factory=threading.Event)
    tasks: Sequence[Task] = (TASK,)
    hidden_size: int = 2

    def __post_init__(self) -> None:
        manifest = SimpleNamespace(max_length=16, windows=1, made_with={}, dimensions={})
        self.bundle = SimpleNamespace(folder=self.folder, manifest=manifest, name="fake", version="0")
        self.runner = SimpleNamespace(count_tokens=lambda texts: sum(len(text.split()) for text in texts))
        self.go.set()

    def select(self, coverage: object = None, accuracy: object = None) -> Selection:
        """Promise what 99 sentences, all of them right, do."""
        scores = ValidationScores.of(np.tile([0.75, 0.25], (99, 1)), np.zeros(99, dtype=int))
        return Selection.fit({TASK.name: scores}, tuple(self.tasks), coverage, accuracy)

    def predict(self, texts: list[str]) -> Predictions:
        """Return embeddings that tell the texts apart."""
        self.computing.set()
        assert self.go.wait(timeout=30)
        time.sleep(self.seconds)
        self.computed += texts
        return Predictions(
            tasks=tuple(self.tasks),
            probabilities={TASK.name: np.full((len(texts), 2), 0.5)},
            embeddings=np.array([answer_to(text) for text in texts]),
        )


@dataclass
class RunningServer:
    """A server in a thread.

    Attributes:
        predictor: what it serves.
        address: (host, port).
        request_stop: as SIGTERM does.
    """

    predictor: Any
    address: tuple[str, int]
    request_stop: Callable[[], None]

    def connect(self) -> socket.socket:
        """Open a connection; the test fails rather than waits."""
        return socket.create_connection(self.address, timeout=20)

    def ask(self, request: bytes, half_close: bool = False) -> "Reply":
        """Send bytes through a new connection, and return the answer."""
        with self.connect() as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_reply(connection)


@dataclass
class Reply:
    """An answer; of status 0 where the connection ended without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """Return the one line of a refusal."""
        content = json.loads(self.body)
        assert set(content) == {"error"}
        assert "\n" not in content["error"]
        return content["error"]

    @property
    def embeddings(self) -> list[list[float]]:
        """Return what /embed answers."""
        return json.loads(self.body)["embeddings"]


def read_reply(connection: socket.socket) -> Reply:
    """Read one answer."""
    with connection.makefile("rb") as stream:
        line = stream.readline()
        if not line:
            return Reply(0, {}, b"")
        headers = {}
        while header := stream.readline().strip():
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Reply(int(line.split()[1]), headers, stream.read(int(headers.get("content-length", 0))))


def post(texts: list[str], path: str = "/embed", host: str = "localhost", extra: str = "") -> bytes:
    """Return the bytes of a request."""
    body = json.dumps({"texts": texts}).encode()
    return head(len(body), path, host, extra) + body


def head(length: int, path: str = "/embed", host: str = "localhost", extra: str = "") -> bytes:
    """Return the head of a request whose body has a length."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", f"Content-Length: {length}"]
    return ("\r\n".join([*lines, *extra.splitlines()]) + "\r\n\r\n").encode()


def get(path: str, host: str = "localhost", method: str = "GET", extra: str = "") -> bytes:
    """Return the bytes of a request without a body."""
    return ("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *extra.splitlines()]) + "\r\n\r\n").encode()


@contextlib.contextmanager
def running(
    predictor: Any, limits: Limits = LIMITS, stop_seconds: float = 5, **options: Any
) -> Iterator[RunningServer]:
    """Serve a predictor from a thread, as scripts/serve.py does."""
    with running_app(create_app(predictor, limits, 8, **options), limits, stop_seconds) as server:
        server.predictor = predictor
        yield server


@contextlib.contextmanager
def running_app(app: Starlette, limits: Limits = LIMITS, stop_seconds: float = 5) -> Iterator[RunningServer]:
    """Run an application of the server from a thread."""
    with _listen("127.0.0.1", 0) as listener:
        address = listener.getsockname()[:2]
        server = uvicorn.Server(_settings(app, limits, stop_seconds))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()

        def request_stop() -> None:
            server.should_exit = True

        try:
            yield RunningServer(None, address, request_stop)
        finally:
            request_stop()
            thread.join(timeout=60)
            assert not thread.is_alive()


@contextlib.contextmanager
def serving(bundle: Path, *arguments: str) -> Iterator[RunningServer]:
    """Serve a bundle by scripts/serve.py, in a process of its own that must end without a word."""
    command = [sys.executable, str(ROOT / "scripts" / "serve.py"), f"model={bundle}", "port=0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        yield RunningServer(None, ("127.0.0.1", port), process.terminate)
    finally:
        process.terminate()
        _, problems = process.communicate(timeout=60)
    assert problems == ""
