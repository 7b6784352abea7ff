"""Status routes: what the server has to say of itself, to programs and to people. Knows nothing about sockets."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from polyhead.deployment.server.about import about, allowed_by
from polyhead.deployment.server.batcher import ClosingError
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.metrics import ServerMetrics
from polyhead.deployment.server.models import Models, QueuedModel
from polyhead.deployment.server.pages import read_page
from polyhead.deployment.server.prediction_routes import choose
from polyhead.deployment.server.problems import refusals
from polyhead.deployment.server.schemas import MOST_CHARACTERS, About, Health
from polyhead.deployment.server.stop import Stop
from polyhead.tasks import of_pairs

_PAGE_POLICY = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_Name = Annotated[str | None, Query(max_length=MOST_CHARACTERS, description="one of /v1/models; the first without")]


def add_about(router: APIRouter, models: Models, limits: Limits) -> None:
    """Add ``/about`` to a router."""
    described = {model.name: _about(model, limits) for model in models}

    @router.get("/about", response_model=About)
    async def about_model(request: Request, model: _Name = None) -> About:
        """Say which model is served, and give sentences to try it with."""
        return described[choose(models, request, model).name]


def _about(model: QueuedModel, limits: Limits) -> About:
    served = model.served
    return about(served.predictor, limits, served.name, served.neighbors, served.examples)


def add_health(router: APIRouter, models: Models, limits: Limits, asked: bool, stop: Stop) -> None:
    """Add ``/health`` to a router.

    Args:
        router: takes it.
        models: of which the first is described.
        limits: how much clients may ask for.
        asked: whether clients are asked for a token.
        stop: says whether the server is about to stop.
    """
    known = _known(models, limits)

    @router.get("/health", response_model=Health, response_model_exclude_none=True)
    async def health(request: Request) -> Response:
        """Say whether requests are served; for which tasks and within which limits, if the client may know."""
        if stop.begun:
            raise ClosingError
        details = {} if asked and not request.scope["trusted"] else known
        return JSONResponse({"status": "ok", **details})


def _known(models: Models, limits: Limits) -> dict[str, Any]:
    """Return what a client may know."""
    predictor = models.choose(None).predictor
    known: dict[str, Any] = {"tasks": {task.name: task.labels for task in predictor.tasks}}
    if pairs := [task.name for task in of_pairs(predictor.tasks)]:
        known["pairs"] = pairs
    known["limits"] = allowed_by(limits, predictor)
    if len(models.names) > 1:
        known["models"] = models.names
    return known


def pages() -> APIRouter:
    """Return a router of ``/`` and ``/docs``."""
    router = APIRouter(responses=refusals())
    index, docs = read_page("index"), read_page("docs")

    @router.get("/", include_in_schema=False)
    async def show_index() -> Response:
        return HTMLResponse(index, headers={"Content-Security-Policy": _PAGE_POLICY})

    @router.get("/docs", include_in_schema=False)
    async def show_docs() -> Response:
        return HTMLResponse(docs, headers={"Content-Security-Policy": _PAGE_POLICY})

    return router


def add_metrics(router: APIRouter, counters: ServerMetrics) -> None:
    """Add ``/metrics`` to a router."""

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Give the counters in the text format of Prometheus."""
        return Response(generate_latest(counters.registry), media_type=CONTENT_TYPE_LATEST)
