"""Stop: what becomes of requests when the server stops. Knows nothing about what is served."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyhead.deployment.server.problems import STOPPING, problem


@dataclass
class Stop:
    """Whether the server is about to stop: then it says so at ``/health``, and ends each connection by its answer."""

    begun: bool = False


class StopMiddleware:
    """Announces with each answer that its connection ends, once the server is about to stop.

    A proxy that keeps connections open then sends no more requests through them, so none meets a connection that is
    just being closed. A request that is cancelled because the time to stop is over is answered (503).

    Args:
        app: serves the requests; it gives each answer in one piece.
        stop: says when.
    """

    def __init__(self, app: ASGIApp, stop: Stop) -> None:
        self.app = app
        self.stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_last(message: Message) -> None:
            if self.stop.begun and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            await self.app(scope, receive, send_last)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            with suppress(asyncio.CancelledError, RuntimeError):  # the answer had begun, or the client has gone
                await problem(503, STOPPING)(scope, receive, send)
