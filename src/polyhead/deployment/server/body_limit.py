"""Body limit: the bodies of requests, read no further than their limits. Knows nothing about what is served."""

from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyhead.deployment.server.problems import problem, too_busy
from polyhead.hardware import return_freed_memory

_PATIENCE = 8  # times the limit that is read and thrown away before the connection closes
_FREE = 16_384  # bytes of each body that count for nothing: large bodies leave room for small ones
_MANY = 4_000_000  # bytes of bodies, after which memory goes back to the system: that takes some 10 ms


@dataclass
class _Body:
    """What is kept of a body, and how many of its bytes count against the limit of all bodies."""

    content: bytearray = field(default_factory=bytearray)
    counted: int = 0


class BodyLimitMiddleware:
    """Reads a request's body before anything else does.

    It refuses a body that is too large (413), that finds no room among those of the other requests (429), or that does
    not come whole (400).

    Args:
        app: serves the requests that are not refused.
        body_bytes: the largest body, in bytes.
        waiting_bytes: of all bodies together, until their requests are answered; of each the first 16 KiB do not count.
    """

    def __init__(self, app: ASGIApp, body_bytes: int, waiting_bytes: int) -> None:
        self.app = app
        self.body_bytes = body_bytes
        self.waiting_bytes = waiting_bytes
        self.waiting = 0
        self.peak = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body()
        try:
            refusal = await self._read(body, receive)
            if refusal is None:
                await self.app(scope, _replay(body, receive), send)
            else:
                await refusal(scope, receive, send)
        finally:
            self._release(body)
            self._return_memory()

    async def _read(self, body: _Body, receive: Receive) -> Response | None:
        """Read a body; return the refusal, if it is refused.

        Bytes beyond a limit are thrown away rather than left unread for a while: a client that is still sending when
        the connection closes does not see the answer.
        """
        refusal: Response | None = None
        size, more = 0, True
        while more and size <= _PATIENCE * self.body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return problem(400, "the body ended before its time")
            part = message.get("body", b"")
            size += len(part)
            refusal = refusal or self._keep(body, part)
            more = message.get("more_body", False)
        return refusal

    def _keep(self, body: _Body, part: bytes) -> Response | None:
        """Keep a part of a body if it has room; else give back the room of the whole, and return the refusal."""
        size = len(body.content) + len(part)
        growth = max(size - _FREE, 0) - body.counted
        if size > self.body_bytes:
            message = f"the body is larger than {self.body_bytes:,} bytes; send fewer or shorter texts per request"
            refusal = problem(413, message, Connection="close")
        elif self.waiting + growth > self.waiting_bytes:
            refusal = too_busy("bytes")
        else:
            body.content += part
            body.counted += growth
            self.waiting += growth
            self.peak = max(self.peak, self.waiting)
            return None
        self._release(body)
        return refusal

    def _release(self, body: _Body) -> None:
        self.waiting -= body.counted
        body.content, body.counted = bytearray(), 0

    def _return_memory(self) -> None:
        """Hand memory back once no body is left of many bytes of them; a server keeps freed memory for its batches."""
        if self.waiting == 0 and self.peak >= _MANY:
            self.peak = 0
            return_freed_memory()


def _replay(body: _Body, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the whole body first, and then what is left: that the client has gone."""
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        content, body.content = bytes(body.content), bytearray()  # not held twice
        return {"type": "http.request", "body": content, "more_body": False}

    return replay
