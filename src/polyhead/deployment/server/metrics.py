"""Metrics: the counters that Prometheus reads, and the counting of requests. Knows nothing about what is served."""

import time
from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MODEL = "model"
"""Of the counters a label; of a request's state the entry that says which model it asks."""

_BATCH_SIZES = [2**power for power in range(11)]  # upper edges of the histogram's buckets, in texts


class ServerMetrics:
    """Counters of a server; the label ``model`` is empty for what concerns none, such as requests that are refused."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("polyhead_requests", "Requests.", ["path", "status", MODEL], registry=self.registry)
        self.seconds = Histogram("polyhead_request_seconds", "Duration.", ["path", MODEL], registry=self.registry)
        self.batch_texts = Histogram(
            "polyhead_batch_texts", "Texts per batch.", [MODEL], buckets=_BATCH_SIZES, registry=self.registry
        )
        self.refused = Counter(
            "polyhead_refused_connections",
            "Refusals before a request's head was there: no HTTP, too slow, too many connections.",
            ["status"],
            registry=self.registry,
        )
        self._waiting = Gauge("polyhead_waiting_texts", "Texts that wait.", [MODEL], registry=self.registry)
        self._served = Gauge(
            "polyhead_model_info", "1 for each model that is served.", [MODEL, "version"], registry=self.registry
        )

    def watch(self, model: str, waiting: Callable[[], int]) -> None:
        """Show how many texts wait for a model.

        Args:
            model: its name.
            waiting: gives the number; it is called when the counters are read.
        """
        self._waiting.labels(model).set_function(waiting)

    def show_versions(self, versions: Mapping[str, str]) -> None:
        """Show which version of each model is served, and of none another."""
        self._served.clear()
        for model, version in versions.items():
            self._served.labels(model, version).set(1)

    def count_refusal(self, status: int) -> None:
        """Count a connection that was answered in the application's place."""
        self.refused.labels(str(status)).inc()


class MetricsMiddleware:
    """Counts and times requests, refused ones included.

    Args:
        app: serves them.
        metrics: counts them.
        paths: paths that are counted one by one; all others are counted as ``other``, or else clients could fill the
            memory with names.
    """

    def __init__(self, app: ASGIApp, metrics: ServerMetrics, paths: Collection[str]) -> None:
        self.app = app
        self.metrics = metrics
        self.paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        state = scope.setdefault("state", {})  # shared by all copies of the scope

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            model = state.get(MODEL, "")
            self.metrics.requests.labels(path, str(status), model).inc()
            self.metrics.seconds.labels(path, model).observe(time.perf_counter() - started)
