import asyncio

import pytest
from prometheus_client import generate_latest

from polyhead.deployment.server.metrics import MetricsMiddleware, ServerMetrics


def test_requests_are_counted_by_path_and_status_even_if_they_fail():
    metrics = ServerMetrics(lambda: 7)

    async def app(scope, receive, send):
        if scope["path"] == "/fails":
            raise ZeroDivisionError
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
    assert 'polyhead_requests_total{path="/predict",status="200"} 2.0' in text
    assert 'polyhead_requests_total{path="other",status="200"} 1.0' in text
    assert 'polyhead_requests_total{path="/fails",status="500"} 1.0' in text
    assert "polyhead_waiting_texts 7.0" in text
