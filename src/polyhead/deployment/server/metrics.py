"""Measures: what Prometheus reads, and the counting of requests. Knows nothing about what is served."""

import time
from collections.abc import Callable, Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Measures:
    """Counters of a server.

    Args:
        waiting: gives the number of texts that wait.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("polyhead_requests", "Requests.", ["path", "status"], registry=self.registry)
        self.seconds = Histogram("polyhead_request_seconds", "Duration.", ["path"], registry=self.registry)
        sizes = [2**power for power in range(11)]
        self.batches = Histogram("polyhead_batch_texts", "Texts of a batch.", buckets=sizes, registry=self.registry)
        gauge = Gauge("polyhead_waiting_texts", "Texts that wait for a batch.", registry=self.registry)
        gauge.set_function(waiting)


class Counted:
    """Counts and times requests, those that are refused among them.

    Args:
        app: what serves them.
        measures: what counts.
        paths: that are told apart; any other is ``other``, else whoever asks could fill the memory with names.
    """

    def __init__(self, app: ASGIApp, measures: Measures, paths: Collection[str]) -> None:
        self.app = app
        self.measures = measures
        self.paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.measures.requests.labels(path, str(status)).inc()
            self.measures.seconds.labels(path).observe(time.perf_counter() - started)
