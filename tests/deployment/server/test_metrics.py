import asyncio

import pytest
from prometheus_client import generate_latest

from polyhead.deployment.server.metrics import MetricsMiddleware, ServerMetrics

EDGES = ("1.0", "2.0", "4.0", "256.0", "512.0")


def test_metrics_count_requests_by_path_and_status_even_if_they_fail():
    metrics = ServerMetrics()
    metrics.watch("a", lambda: 7)

    async def app(scope, receive, send):
        if scope["path"] == "/fails":
            raise ZeroDivisionError
        if scope["path"] == "/predict":
            scope["state"]["model"] = "a"
        await send({"type": "http.response.start", "status": 200})

    async def ask(path):
        async def nothing(*_):
            return {}

        await MetricsMiddleware(app, metrics, ["/predict", "/fails"])({"type": "http", "path": path}, nothing, nothing)

    asyncio.run(ask("/predict"))
    asyncio.run(ask("/predict"))
    asyncio.run(ask("/anything/else"))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask("/fails"))
    text = generate_latest(metrics.registry).decode()
    assert 'polyhead_requests_total{model="a",path="/predict",status="200"} 2.0' in text
    assert 'polyhead_requests_total{model="",path="other",status="200"} 1.0' in text
    assert 'polyhead_requests_total{model="",path="/fails",status="500"} 1.0' in text
    assert 'polyhead_waiting_texts{model="a"} 7.0' in text
    assert 'polyhead_request_seconds_count{model="a",path="/predict"} 2.0' in text
    assert 'polyhead_request_seconds_count{model="",path="/fails"} 1.0' in text
    assert "/anything" not in text


def test_metrics_time_requests(monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    metrics = ServerMetrics()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def nothing(*_):
        return {}

    asyncio.run(MetricsMiddleware(app, metrics, ["/a"])({"type": "http", "path": "/a"}, nothing, nothing))
    assert metrics.registry.get_sample_value("polyhead_request_seconds_sum", {"path": "/a", "model": ""}) == 2.5


def test_metrics_sort_batches_by_their_texts():
    metrics = ServerMetrics()
    for texts in (1, 3, 300):
        metrics.batch_texts.labels("a").observe(texts)
    found = {
        edge: metrics.registry.get_sample_value("polyhead_batch_texts_bucket", {"le": edge, "model": "a"})
        for edge in EDGES
    }
    assert found == {"1.0": 1, "2.0": 1, "4.0": 2, "256.0": 2, "512.0": 3}
    assert metrics.registry.get_sample_value("polyhead_batch_texts_sum", {"model": "a"}) == 304


def test_metrics_show_the_versions_that_are_served_and_no_others():
    metrics = ServerMetrics()
    metrics.show_versions({"a": "1", "b": "1"})
    metrics.show_versions({"a": "2", "b": "1"})
    shown = [
        line for line in generate_latest(metrics.registry).decode().splitlines() if line.startswith("polyhead_model")
    ]
    assert shown == [f'polyhead_model_info{{model="{name}",version="{version}"}} 1.0' for name, version in ("a2", "b1")]
