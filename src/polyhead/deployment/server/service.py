"""Service: the routes of the server. Knows nothing about sockets or configurations."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictions import Floats, Predictions
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.selection import Selection
from polyhead.deployment.server.about import about, allowed_by
from polyhead.deployment.server.access import HostMiddleware, TokenMiddleware
from polyhead.deployment.server.batcher import Batcher, ClosingError
from polyhead.deployment.server.body_limit import BodyLimitMiddleware
from polyhead.deployment.server.head import HeadMiddleware
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.metrics import MetricsMiddleware, ServerMetrics
from polyhead.deployment.server.openai_errors import OpenAIErrorMiddleware
from polyhead.deployment.server.openai_routes import add_openai_routes
from polyhead.deployment.server.pages import read_page
from polyhead.deployment.server.problems import answer_problems, openai_refusals, problem, refusals
from polyhead.deployment.server.schemas import About, Embedded, Health, Nearest, Predicted, predict_model, texts_model
from polyhead.deployment.server.stop import StopMiddleware
from polyhead.errors import ParameterError, UserError, one_line
from polyhead.tasks import Task, of_pairs

_POSTS = ("/predict", "/embed", "/neighbours", "/v1/embeddings")
PATHS = (*_POSTS, "/about", "/health", "/metrics", "/v1/models", "/openapi.json", "/docs", "/")
_PAGE_POLICY = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_LONGEST_LINE = 400  # characters; it repeats what a client sent
_NEAREST = 5  # stored sentences shown per text
_FREE = ("/", "/docs", "/health")  # nobody is asked for a token there: the pages ask for it, and probes know none


def create_app(
    predictor: Predictor,
    limits: Limits,
    batch_texts: int,
    hosts: Collection[str] = (),
    token: str | None = None,
    name: str | None = None,
    neighbors: Neighbors | None = None,
    examples: Sequence[str] | None = None,
) -> FastAPI:
    """Build the service.

    Time and the number of connections are limited by the server that runs it (``connection.bounded_by``), which counts
    what it refuses by ``app.state.count_refusal``.

    Args:
        predictor: computes the answers.
        limits: how much clients may ask for.
        batch_texts: the most texts that are computed together.
        hosts: names that the server goes by, beside those of loopback and the address that it is reached at.
        token: that clients must send; None asks nobody.
        name: of the model, for people and for clients of OpenAI's API; None takes the bundle's.
        neighbors: sentences of which the nearest are shown; None takes those that the bundle stores.
        examples: sentences to try the model with; None takes some of those that are shown, or three of ours.

    Raises:
        ParameterError: ``batch_texts`` is below 1.
        UserError: the bundle's stored sentences are damaged.
    """
    metrics = ServerMetrics(waiting=lambda: batcher.waiting)
    batcher = Batcher(partial(_predict, predictor), batch_texts, limits.waiting_texts, metrics.batch_texts.observe)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    # FastAPI's own pages of documentation load scripts from elsewhere; a redirect would repeat what a client sent.
    app = FastAPI(title="Polyhead", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.count_refusal = metrics.count_refusal
    app.add_middleware(BodyLimitMiddleware, body_bytes=limits.body_bytes, waiting_bytes=limits.waiting_bytes)
    if token is not None:
        app.add_middleware(TokenMiddleware, token=token, free=_FREE)
    app.add_middleware(HostMiddleware, hosts=hosts)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(StopMiddleware)
    app.add_middleware(OpenAIErrorMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics, paths=PATHS)
    answer_problems(app)
    asked = token is not None
    stored = neighbors or Neighbors.read(predictor.bundle.folder, predictor.hidden_size)
    known_as = name or predictor.bundle.name
    app.include_router(_predictions(batcher, predictor, limits, stored, asked))
    app.include_router(_openai(batcher, predictor, limits, known_as, asked))
    app.include_router(_about(about(predictor, limits, known_as, stored, examples), asked))
    app.include_router(_status(batcher, predictor, limits, asked))
    app.include_router(_counters(metrics, asked))
    return app


def _router(asked: bool, *refused: int) -> APIRouter:
    """Return a router whose routes are described with their refusals, and with the token where they ask for it."""
    return APIRouter(dependencies=_dependencies(asked), responses=refusals(*([401] if asked else []), *refused))


def _dependencies(asked: bool) -> list[Any]:
    return [Security(HTTPBearer(auto_error=False))] if asked else []


def _openai(batcher: Batcher, predictor: Predictor, limits: Limits, name: str, asked: bool) -> APIRouter:
    router = APIRouter(dependencies=_dependencies(asked), responses=openai_refusals())
    add_openai_routes(router, batcher, predictor, limits, name)
    return router


def _about(served: About, asked: bool) -> APIRouter:
    router = _router(asked)

    @router.get("/about", response_model=About)
    async def about_model() -> About:
        """Say which model is served, and give sentences to try it with."""
        return served

    return router


def _predictions(
    batcher: Batcher, predictor: Predictor, limits: Limits, stored: Neighbors | None, asked: bool
) -> APIRouter:
    router = _router(asked, 413, 415, 422, 429)
    texts: Any = texts_model(limits)
    to_predict: Any = predict_model(limits, pairs=bool(of_pairs(predictor.tasks)))

    @router.post("/predict", response_model=Predicted, responses=refusals(409))
    async def predict(body: to_predict) -> Response:
        """Predict every task for every text; those about two texts where there are seconds."""
        try:
            given = getattr(body, "seconds", None)  # there are none where no task is about two texts
            if given is not None:
                predictor.check_seconds(given, len(body.texts))
            selection = predictor.select(body.coverage, body.accuracy)
        except UserError as error:  # nothing to promise, or no number
            status = 422 if isinstance(error, ParameterError) else 409
            return problem(status, one_line(error, _LONGEST_LINE))
        seconds = given or [None] * len(body.texts)
        predictions: Any = await batcher.submit(list(zip(body.texts, seconds, strict=True)))
        if given is None:  # those of another client may have been computed along with these
            predictions = predictions.of_one_text()
        return JSONResponse({"predictions": _answers(predictions, selection, body.top_k)})

    @router.post("/embed", response_model=Embedded)
    async def embed(body: texts) -> Response:
        """Embed every text."""
        predictions: Any = await batcher.submit([(text, None) for text in body.texts])
        return JSONResponse({"embeddings": predictions.embeddings.tolist()})

    @router.post("/neighbours", name="neighbours", response_model=Nearest, responses=refusals(404))
    async def neighbors(body: texts) -> Response:
        """Find the stored sentences that are nearest to every text."""
        if stored is None:
            return problem(404, "no sentences are stored; serve with sentences=FILE, or export with sentences=train")
        predictions: Any = await batcher.submit([(text, None) for text in body.texts])
        nearest = await asyncio.to_thread(stored.nearest, predictions.embeddings, _NEAREST)
        return JSONResponse({"neighbours": [_neighbors(found) for found in nearest]})

    return router


def _predict(predictor: Predictor, rows: list[tuple[str, str | None]]) -> Predictions:
    """Predict texts, some of them with a second one."""
    texts, seconds = [text for text, _ in rows], [second for _, second in rows]
    return predictor.predict(texts, seconds) if any(seconds) else predictor.predict(texts)


def _answers(predictions: Predictions, selection: Selection, top_k: int | None) -> list[dict[str, Any]]:
    answers = [
        {
            task: {"label": label, "probabilities": _most_probable(prediction.probabilities.get(task, {}), top_k)}
            for task, label in prediction.labels.items()
        }
        for prediction in predictions
    ]
    for task in filter(selection.concerns, predictions.tasks):
        _select([answer[task.name] for answer in answers], task, predictions.probabilities[task.name], selection)
    return answers


def _select(answers: Sequence[dict[str, Any]], task: Task, probabilities: Floats, selection: Selection) -> None:
    """Add the sets to the answers of a task, and take away the labels that are no answers."""
    if task.name in selection.least_in_set:
        for answer, labels in zip(answers, selection.label_sets(task, probabilities), strict=True):
            answer["set"] = labels
    if task.name in selection.least_answered:
        for answer, is_answered in zip(answers, selection.answered(task, probabilities).tolist(), strict=True):
            answer["label"] = answer["label"] if is_answered else None


def _most_probable(probabilities: Mapping[str, float], top_k: int | None) -> dict[str, float]:
    if top_k is None:
        return dict(probabilities)
    ordered = sorted(probabilities.items(), key=lambda entry: -entry[1])
    return dict(ordered[:top_k])


def _neighbors(found: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"sentence": sentence, "cosine": cosine} for sentence, cosine in found]


def _status(batcher: Batcher, predictor: Predictor, limits: Limits, asked: bool) -> APIRouter:
    router = APIRouter(responses=refusals())
    index, docs = read_page("index"), read_page("docs")
    tasks = {task.name: task.labels for task in predictor.tasks}
    pairs = [task.name for task in of_pairs(predictor.tasks)]
    allowed = allowed_by(limits, predictor)

    @router.get("/health", response_model=Health, response_model_exclude_none=True)
    async def health(request: Request) -> Response:
        """Say whether requests are served; for which tasks and within which limits, if the client may know."""
        if batcher.closing:
            raise ClosingError
        known = {"tasks": tasks, **({"pairs": pairs} if pairs else {}), "limits": allowed}
        details = {} if asked and not request.scope["trusted"] else known
        return JSONResponse({"status": "ok", **details})

    @router.get("/", include_in_schema=False)
    async def show_index() -> Response:
        return HTMLResponse(index, headers={"Content-Security-Policy": _PAGE_POLICY})

    @router.get("/docs", include_in_schema=False)
    async def show_docs() -> Response:
        return HTMLResponse(docs, headers={"Content-Security-Policy": _PAGE_POLICY})

    return router


def _counters(counters: ServerMetrics, asked: bool) -> APIRouter:
    router = _router(asked)

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Give the counters in the text format of Prometheus."""
        return Response(generate_latest(counters.registry), media_type=CONTENT_TYPE_LATEST)

    return router
