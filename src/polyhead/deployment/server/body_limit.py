"""Body limit: the body of a request, read no further than its limit. Knows nothing about what is served."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyhead.deployment.server.problems import problem

_PATIENCE = 8  # times the limit that is read and thrown away before the connection closes


class BodyLimitMiddleware:
    """Reads a request's body before anything else does, and refuses one that is too large (413).

    Args:
        app: serves the requests that are not refused.
        body_bytes: the largest body, in bytes.
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
            message = f"the body is larger than {self.body_bytes:,} bytes; send fewer or shorter texts per request"
            await problem(413, message, Connection="close")(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, or None if it is too large.

        Bytes beyond the limit are thrown away rather than left unread for a while: a client that is still sending when
        the connection closes does not see the answer.
        """
        parts: list[bytes] = []
        size = 0
        while size <= _PATIENCE * self.body_bytes:
            message = await receive()
            part = message.get("body", b"")
            size += len(part)
            if size <= self.body_bytes:
                parts.append(part)
            if not message.get("more_body", False):
                break
        return b"".join(parts) if size <= self.body_bytes else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the whole body first, and then what is left: that the client has gone."""
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
