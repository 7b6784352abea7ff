"""Service: the application of the server, and the exchange of its models. Knows nothing about sockets."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.status import HTTP_404_NOT_FOUND

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictions import Predictions
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server.access import HostMiddleware, TokenMiddleware
from polyhead.deployment.server.batcher import Batcher, ComputeThread
from polyhead.deployment.server.body_limit import BodyLimitMiddleware
from polyhead.deployment.server.head import HeadMiddleware
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.metrics import MetricsMiddleware, ServerMetrics
from polyhead.deployment.server.models import Models, QueuedModel, ServedModel, check_names
from polyhead.deployment.server.openai_errors import OpenAIErrorMiddleware
from polyhead.deployment.server.openai_routes import add_openai_routes
from polyhead.deployment.server.prediction_routes import add_prediction_routes
from polyhead.deployment.server.problems import answer_failure, answer_no_path, answer_problems
from polyhead.deployment.server.router import make_openai_router, make_router
from polyhead.deployment.server.status_routes import add_about, add_health, add_metrics, pages
from polyhead.deployment.server.stop import Stop, StopMiddleware
from polyhead.deployment.server.switch import Switch
from polyhead.tasks import of_pairs

PATHS = (
    *("/predict", "/embed", "/neighbours", "/v1/embeddings", "/v1/models"),
    *("/about", "/health", "/metrics", "/openapi.json", "/docs", "/"),
)
_FREE = ("/", "/docs", "/health")  # nobody is asked for a token there: the pages ask for it, and probes know none


class Service:
    """The models of a server, each with a queue of its own; one batch is computed at a time.

    Args:
        models: one or more; a request that names none is answered by the first.
        limits: how much clients may ask for, of all models together.
        batch_texts: the most texts that are computed together.
        asked: whether clients are asked for a token.

    Raises:
        ParameterError: ``batch_texts`` is below 1, there are no models, or two of the same name.
    """

    def __init__(self, models: Sequence[ServedModel], limits: Limits, batch_texts: int, asked: bool) -> None:
        self.limits = limits
        self.batch_texts = batch_texts
        self.asked = asked
        self.metrics = ServerMetrics()
        self.stop = Stop()
        self._thread = ComputeThread()
        self._changing = asyncio.Lock()
        self._models = self._queue(models, kept={})
        self._retired: list[QueuedModel] = []
        self.switch = Switch(self._build(self._models))
        self._show_versions()

    async def start(self) -> None:
        """Begin to compute, in the running event loop."""
        for model in self._models:
            model.batcher.start()

    async def end(self) -> None:
        """Refuse new requests, and finish those that were accepted."""
        self.stop.begun = True
        for model in [*self._models, *self._retired]:
            await model.batcher.stop()
        self._thread.shutdown()

    async def replace(self, models: Sequence[ServedModel]) -> None:
        """Serve other models from the next request on; those that are served already keep their queues.

        Requests that have begun are answered by the models that they began with. It returns once the last of them is,
        and refers to none of the models of before any more.

        Raises:
            ParameterError: there are no models, or two of the same name.
        """
        async with self._changing:
            before = self._models
            kept = {model.served: model for model in before}
            after = self._queue(models, kept)
            app = await asyncio.to_thread(self._build, after)
            fresh = [model for model in after if model.served not in kept]
            for model in fresh:
                model.batcher.start()
            self._models = after
            self._retired = [model for model in before if model not in list(after)]
            self._show_versions()
            await self.switch.replace(app)
            for model in self._retired:
                await model.batcher.stop()
            self._retired = []
            before.forget()

    def _queue(self, models: Sequence[ServedModel], kept: dict[ServedModel, QueuedModel]) -> Models:
        """Give each model a queue."""
        check_names([model.name for model in models])
        queued = Models([kept.get(model) or QueuedModel(model, self._batcher(model)) for model in models])
        for name in queued.names:
            self.metrics.watch(name, partial(self._thread.waiting.__getitem__, name))
        return queued

    def _show_versions(self) -> None:
        self.metrics.show_versions({model.name: model.predictor.bundle.version for model in self._models})

    def _batcher(self, model: ServedModel) -> Batcher:
        observe = self.metrics.batch_texts.labels(model.name).observe
        compute = partial(_predict, model.predictor)
        return Batcher(compute, self.batch_texts, self.limits.waiting_texts, observe, self._thread, model.name)

    def _build(self, models: Models) -> FastAPI:
        """Build the routes of some models."""
        # FastAPI's own pages of documentation load scripts from elsewhere; a redirect would repeat what a client sent.
        app = FastAPI(title="Polyhead", docs_url=None, redoc_url=None, redirect_slashes=False)
        answer_problems(app)
        predictions = make_router(self.asked, 404, 413, 415, 422, 429)
        add_prediction_routes(predictions, models, self.limits)
        openai = make_openai_router(self.asked)
        add_openai_routes(openai, models, self.limits)
        described = make_router(self.asked, 404, 422)
        add_about(described, models, self.limits)
        health = make_router(False)
        add_health(health, models, self.limits, self.asked, self.stop)
        counters = make_router(self.asked)
        add_metrics(counters, self.metrics)
        for router in (predictions, openai, described, health, pages(), counters):
            app.include_router(router)
        return app


def _predict(predictor: Predictor, rows: list[tuple[str, str | None]]) -> Predictions:
    """Predict texts, some of them with a second one; tasks about two texts answer null where there is none."""
    texts, seconds = [text for text, _ in rows], [second for _, second in rows]
    return predictor.predict(texts, seconds) if of_pairs(predictor.tasks) else predictor.predict(texts)


def create_app(
    predictor: Predictor,
    limits: Limits,
    batch_texts: int,
    hosts: Collection[str] = (),
    token: str | None = None,
    name: str | None = None,
    neighbors: Neighbors | None = None,
    examples: Sequence[str] | None = None,
) -> Starlette:
    """Build the application of one model; :func:`create_service` says more.

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
    return create_service([ServedModel.of(predictor, name, neighbors, examples)], limits, batch_texts, hosts, token)


def create_service(
    models: Sequence[ServedModel],
    limits: Limits,
    batch_texts: int,
    hosts: Collection[str] = (),
    token: str | None = None,
) -> Starlette:
    """Build the application of some models.

    Time and the number of connections are limited by the server that runs it (``connection.bounded_by``), which counts
    what it refuses by ``app.state.service.metrics.count_refusal``. ``app.state.service.replace`` exchanges the models.

    Args:
        models: one or more; a request that names none is answered by the first.
        limits: how much clients may ask for, of all models together.
        batch_texts: the most texts that are computed together.
        hosts: names that the server goes by, beside those of loopback and the address that it is reached at.
        token: that clients must send; None asks nobody.

    Raises:
        ParameterError: ``batch_texts`` is below 1, there are no models, or two of the same name.
    """
    service = Service(models, limits, batch_texts, asked=token is not None)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.end()

    middleware = [
        Middleware(MetricsMiddleware, metrics=service.metrics, paths=PATHS),
        Middleware(HeadMiddleware),
        Middleware(OpenAIErrorMiddleware),
        Middleware(StopMiddleware, stop=service.stop),
        Middleware(HostMiddleware, hosts=hosts),
        *([] if token is None else [Middleware(TokenMiddleware, token=token, free=_FREE)]),
        Middleware(BodyLimitMiddleware, body_bytes=limits.body_bytes, waiting_bytes=limits.waiting_bytes),
    ]
    failures = {Exception: answer_failure, HTTP_404_NOT_FOUND: answer_no_path}
    app = Starlette(
        routes=[Mount("/", service.switch)], middleware=middleware, exception_handlers=failures, lifespan=lifespan
    )
    app.state.service = service
    app.state.count_refusal = service.metrics.count_refusal
    return app
