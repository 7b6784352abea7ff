"""Switch: which application serves requests, exchanged between two of them. Knows nothing about what is served."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class _Turn:
    """The time of one application, and how many of its requests are not answered."""

    app: ASGIApp
    running: int = 0
    over: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, change: int) -> None:
        self.running += change
        if self.over and not self.running:
            self.idle.set()

    async def end(self) -> None:
        """Wait until the last request is answered."""
        self.over = True
        self.note(0)
        await self.idle.wait()


class Switch:
    """Serves each request whole by the application that is there when the request begins.

    Args:
        app: the first one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._now = _Turn(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        turn = self._now
        turn.note(1)
        try:
            await turn.app(scope, receive, send)
        finally:
            turn.note(-1)

    async def replace(self, app: ASGIApp) -> None:
        """Serve later requests by another application; return once those of the one before are answered."""
        before, self._now = self._now, _Turn(app)
        await before.end()
