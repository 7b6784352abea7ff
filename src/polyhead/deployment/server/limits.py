"""Limits: what a request may ask for, and the body of a request read no further than its limit.

Knows nothing about what is served. Texts and their number are checked where they are parsed (422), the body here (413),
and the queue where it is (429).
"""

from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyhead.errors import UserError

_PATIENCE = 8  # times the limit that is read and thrown away before the connection closes


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Args:
        characters: of a text.
        texts: of a request.
        body_bytes: of a request.
        waiting_texts: of all requests together, while they wait.

    Raises:
        UserError: a limit below 1, or a queue that holds less than one request.
    """

    characters: int
    texts: int
    body_bytes: int
    waiting_texts: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise UserError(f"limits.{name}: {value} given; it must be at least 1")
        if self.waiting_texts < self.texts:
            raise UserError(
                f"limits.waiting_texts: {self.waiting_texts} given; one request may bring {self.texts}, allow as many"
            )


def problem(status: int, message: str, **headers: str) -> JSONResponse:
    """Make the answer to a request that is not served: what is wrong, and what to do."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)


class BodyLimit:
    """Reads a request's body before anything else does, and refuses one that is too large (413).

    Args:
        app: what serves the requests that are not.
        body_bytes: how large a body may be.
    """

    def __init__(self, app: ASGIApp, body_bytes: int) -> None:
        self.app = app
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await self._read(receive)
        if body is None:
            message = f"the body is larger than {self.body_bytes:,} bytes; send fewer or shorter texts a request"
            await problem(413, message, Connection="close")(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()  # only the news that the client has gone is left to come
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, None if it is too large.

        What goes beyond the limit is thrown away rather than left unread for a while: a client that is still sending
        when the connection closes does not see the answer.
        """
        parts: list[bytes] = []
        size = 0
        while size <= _PATIENCE * self.body_bytes:
            message = await receive()
            size += len(message.get("body", b""))
            if size <= self.body_bytes:
                parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        return b"".join(parts) if size <= self.body_bytes else None
