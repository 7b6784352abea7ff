"""Service: the routes of the server. Knows nothing about sockets or configurations."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictor import Prediction, Predictor
from polyhead.deployment.server.batcher import Batcher, ClosingError
from polyhead.deployment.server.body_limit import BodyLimitMiddleware
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.metrics import MetricsMiddleware, ServerMetrics
from polyhead.deployment.server.problems import NOT_FOUND, REFUSALS, answer_problems, problem
from polyhead.deployment.server.schemas import Embedded, Nearest, Predicted, texts_model

PATHS = ("/predict", "/embed", "/neighbours", "/health", "/metrics", "/openapi.json", "/")
_PAGE_POLICY = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_NEAREST = 5  # stored sentences shown per text


def create_app(predictor: Predictor, limits: Limits, batch_texts: int) -> FastAPI:
    """Build the service.

    Args:
        predictor: computes the answers.
        limits: how much a request may ask for.
        batch_texts: the most texts that are computed together.

    Raises:
        ParameterError: ``batch_texts`` is below 1.
        UserError: the bundle's stored sentences are damaged.
    """
    metrics = ServerMetrics(waiting=lambda: batcher.waiting)
    batcher = Batcher(predictor.predict, batch_texts, limits.waiting_texts, metrics.batch_texts.observe)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = FastAPI(title="Polyhead", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimitMiddleware, body_bytes=limits.body_bytes)
    app.add_middleware(MetricsMiddleware, metrics=metrics, paths=PATHS)
    answer_problems(app)
    _add_predictions(app, batcher, limits, Neighbors.read(predictor.bundle.folder, predictor.hidden_size))
    _add_status(app, batcher, predictor, limits, metrics)
    return app


def _add_predictions(app: FastAPI, batcher: Batcher, limits: Limits, stored: Neighbors | None) -> None:
    texts: Any = texts_model(limits)

    @app.post("/predict", response_model=Predicted, responses=REFUSALS)
    async def predict(body: texts) -> Response:
        """Predict every task for every text."""
        predictions: Sequence[Prediction] = await batcher.submit(body.texts)
        return JSONResponse({"predictions": [_answers(prediction) for prediction in predictions]})

    @app.post("/embed", response_model=Embedded, responses=REFUSALS)
    async def embed(body: texts) -> Response:
        """Embed every text."""
        predictions: Any = await batcher.submit(body.texts)
        return JSONResponse({"embeddings": predictions.embeddings.tolist()})

    @app.post("/neighbours", name="neighbours", response_model=Nearest, responses={**NOT_FOUND, **REFUSALS})
    async def neighbors(body: texts) -> Response:
        """Find the stored sentences that are nearest to every text."""
        if stored is None:
            return problem(404, "the bundle stores no sentences; export it with sentences=train")
        predictions: Any = await batcher.submit(body.texts)
        nearest = await asyncio.to_thread(stored.nearest, predictions.embeddings, _NEAREST)
        return JSONResponse({"neighbours": [_neighbors(found) for found in nearest]})


def _answers(prediction: Prediction) -> dict[str, Any]:
    return {
        task: {"label": label, "probabilities": prediction.probabilities[task]}
        for task, label in prediction.labels.items()
    }


def _neighbors(found: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"sentence": sentence, "cosine": cosine} for sentence, cosine in found]


def _add_status(app: FastAPI, batcher: Batcher, predictor: Predictor, limits: Limits, counters: ServerMetrics) -> None:
    page = (files("polyhead.deployment.server") / "page.html").read_text(encoding="utf-8")
    tasks = {task.name: task.labels for task in predictor.tasks}
    allowed = {**vars(limits), "tokens": predictor.bundle.manifest.max_length}

    @app.get("/health")
    async def health() -> Response:
        """Say whether requests are served, for which tasks and within which limits."""
        if batcher.closing:
            raise ClosingError
        return JSONResponse({"status": "ok", "tasks": tasks, "limits": allowed})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Give the counters in the text format of Prometheus."""
        return Response(generate_latest(counters.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})
