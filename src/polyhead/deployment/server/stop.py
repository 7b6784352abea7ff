"""Stop: what becomes of requests that are not answered in time when the server stops. Knows nothing else."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from polyhead.deployment.server.problems import STOPPING, problem


class StopMiddleware:
    """Answers a request that is cancelled because the time to stop is over (503).

    Args:
        app: serves the requests; it gives each answer in one piece.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            with suppress(asyncio.CancelledError, RuntimeError):  # the answer had begun, or the client has gone
                await problem(503, STOPPING)(scope, receive, send)
