"""The service: routes, what they take and give, and what is counted. Knows nothing about sockets or configurations."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.exceptions import HTTPException

from polyhead.deployment.bundle.neighbours import Neighbours
from polyhead.deployment.predictor import Prediction, Predictor
from polyhead.deployment.server.batcher import Batcher, ClosingError, QueueFullError
from polyhead.deployment.server.limits import BodyLimit, Limits, problem
from polyhead.deployment.server.metrics import Counted, Measures

PATHS = ("/predict", "/embed", "/neighbours", "/health", "/metrics", "/openapi.json", "/")
_PAGE_POLICY = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_FORM = 'send {"texts": ["...", ...]}, /health tells the limits'
_NEAREST = 5  # stored sentences shown for a text


class Answer(BaseModel):
    """What is predicted for one text and task."""

    label: str
    probabilities: dict[str, float]


class Predicted(BaseModel):
    """One entry a text, each with an answer a task."""

    predictions: list[dict[str, Answer]]


class Embedded(BaseModel):
    """One embedding a text."""

    embeddings: list[list[float]]


class Neighbour(BaseModel):
    """A stored sentence, and the cosine of its embedding to the text's."""

    sentence: str
    cosine: float


class Nearest(BaseModel):
    """The nearest stored sentences of each text, nearest first."""

    neighbours: list[list[Neighbour]]


class Problem(BaseModel):
    """What is wrong with a request, and what to do."""

    error: str


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Problem, "description": "Not the JSON that is asked for, or beyond the limits."},
    429: {"model": Problem, "description": "Too many texts wait; try again in a second."},
    503: {"model": Problem, "description": "The server is stopping."},
}


def create_app(predictor: Predictor, limits: Limits, batch_texts: int) -> FastAPI:
    """Build the service.

    Args:
        predictor: what answers.
        limits: what a request may ask for.
        batch_texts: texts computed together at most.
    """
    batcher = Batcher(predictor.predict, batch_texts, limits.waiting_texts)
    measures = Measures(lambda: batcher.waiting)
    batcher.observe = measures.batches.observe

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    app = FastAPI(title="Polyhead", lifespan=lifespan, docs_url=None, redoc_url=None)  # those two load from elsewhere
    app.add_middleware(BodyLimit, body_bytes=limits.body_bytes)
    app.add_middleware(Counted, measures=measures, paths=PATHS)
    _explain_problems(app)
    _add_predictions(app, batcher, limits, Neighbours.read(predictor.bundle.folder))
    _add_status(app, batcher, predictor, limits, measures)
    return app


def _texts_of_a_request(limits: Limits) -> type[BaseModel]:
    """Build the request's model, so that OpenAPI tells the limits."""
    text = Annotated[str, Field(max_length=limits.characters)]
    texts = Annotated[list[text], Field(min_length=1, max_length=limits.texts)]
    return create_model("Texts", __config__=ConfigDict(extra="forbid"), texts=(texts, ...))


def _add_predictions(app: FastAPI, batcher: Batcher, limits: Limits, stored: Neighbours | None) -> None:
    texts_model: Any = _texts_of_a_request(limits)

    @app.post("/predict", response_model=Predicted, responses=_PROBLEMS)
    async def predict(body: texts_model) -> Response:
        """Predict every task for every text."""
        predictions: Sequence[Prediction] = await batcher.submit(body.texts)
        return JSONResponse({"predictions": [_answers(prediction) for prediction in predictions]})

    @app.post("/embed", response_model=Embedded, responses=_PROBLEMS)
    async def embed(body: texts_model) -> Response:
        """Embed every text."""
        predictions: Any = await batcher.submit(body.texts)
        return JSONResponse({"embeddings": predictions.embeddings.tolist()})

    @app.post("/neighbours", response_model=Nearest, responses={404: {"model": Problem}, **_PROBLEMS})
    async def neighbours(body: texts_model) -> Response:
        """Find the stored sentences that are nearest to every text."""
        if stored is None:
            return problem(404, "the bundle stores no sentences; export it with sentences=train")
        predictions: Any = await batcher.submit(body.texts)
        nearest = await asyncio.to_thread(stored.nearest, predictions.embeddings, _NEAREST)
        rows = [[{"sentence": sentence, "cosine": cosine} for sentence, cosine in row] for row in nearest]
        return JSONResponse({"neighbours": rows})


def _answers(prediction: Prediction) -> dict[str, Any]:
    return {
        task: {"label": label, "probabilities": prediction.probabilities[task]}
        for task, label in prediction.labels.items()
    }


def _add_status(app: FastAPI, batcher: Batcher, predictor: Predictor, limits: Limits, measures: Measures) -> None:
    page = (files("polyhead.deployment.server") / "page.html").read_text(encoding="utf-8")

    @app.get("/health")
    async def health() -> Response:
        """Tell whether requests are served, with which tasks and limits."""
        if batcher.closing:
            raise ClosingError
        tasks = {task.name: task.labels for task in predictor.tasks}
        tokens = predictor.bundle.manifest.max_length
        return JSONResponse({"status": "ok", "tasks": tasks, "limits": {**vars(limits), "tokens": tokens}})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Give the counters in the text format of Prometheus."""
        return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})


def _explain_problems(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        kind = request.headers.get("content-type", "")
        if "json" not in kind.lower():  # then the body was not parsed, and what is said of it leads astray
            return problem(422, f"Content-Type: {kind or 'none'} given; it must be application/json; {_FORM}")
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return problem(422, f"{where}: {first['msg']}; {_FORM}")

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # no UTF-8, or nested deeper than this Python's parser goes
            return problem(422, f"{error.detail}; {_FORM}")
        return problem(error.status_code, f"{error.detail}; /openapi.json lists what is served")

    @app.exception_handler(QueueFullError)
    async def full(_: Request, _error: QueueFullError) -> Response:
        return problem(429, "too many texts wait to be computed; try again in a second", **{"Retry-After": "1"})

    @app.exception_handler(ClosingError)
    async def closing(_: Request, _error: ClosingError) -> Response:
        return problem(503, "the server is stopping; ask another one, or try again later")

    @app.exception_handler(Exception)
    async def failed(_: Request, _error: Exception) -> Response:
        return problem(500, "the server failed on this request; its log says why")
