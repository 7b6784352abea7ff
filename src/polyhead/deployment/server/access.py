"""Access: who may ask, by the name they call the server and by a token. Knows nothing about what is served."""

import hmac
from collections.abc import Collection
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from polyhead.deployment.server.problems import problem
from polyhead.errors import UserError

ANY_HOST = "*"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class HostMiddleware:
    """Refuses requests whose ``Host`` names another server (421).

    A page of somebody else can have its own name resolve to this machine, and its visitors' browsers then take the
    server for a part of that page (DNS rebinding). The name that they send tells it.

    Args:
        app: serves the requests that are not refused.
        hosts: names that the server goes by, without a port, beside those of loopback and the address that a client
            reached it at; ``*`` is any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = _LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or ANY_HOST in self.hosts:
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        name = _name_of(host)
        if name in self.hosts or name == _reached(scope):
            await self.app(scope, receive, send)
            return
        message = f"Host: {host[:100] or 'none'} given; this server does not go by that name, unless hosts= lists it"
        await problem(421, message)(scope, receive, send)


def _name_of(host: str) -> str:
    """Return a host without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and not port.endswith("]") else host.lower()


def _reached(scope: Scope) -> str | None:
    """Return the address on which the server took the connection, as ``Host`` would give it."""
    address, _ = scope.get("server") or (None, None)
    return f"[{address}]" if address and ":" in address else address


class TokenMiddleware:
    """Refuses requests without the bearer token (401), before their bodies are read.

    Args:
        app: serves the requests that are not refused.
        token: that clients must send as ``Authorization: Bearer TOKEN``.
        free: paths for which nobody is asked. Their scope says under ``trusted`` whether the token came.
    """

    def __init__(self, app: ASGIApp, token: str, free: Collection[str]) -> None:
        self.app = app
        self.token = token.encode()
        self.free = frozenset(free)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        matches = hmac.compare_digest(given.strip().encode("latin-1"), self.token)  # in constant time
        trusted = matches and scheme.lower() == "bearer"
        if trusted or scope["path"] in self.free:
            await self.app({**scope, "trusted": trusted}, receive, send)
            return
        message = "this server asks for a token; send the header Authorization: Bearer TOKEN"
        await problem(401, message, **{"WWW-Authenticate": "Bearer"})(scope, receive, send)


def read_token(path: str) -> str:
    """Return the token that a file holds; white space around it does not count.

    Raises:
        UserError: the file cannot be read, or does not hold one word of visible ASCII.
    """
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except OSError as error:
        raise UserError(f"token_file: {path} cannot be read ({error.strerror}); name a file with a token") from error
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise UserError(
            f"token_file: {path} holds no token; it must be one word of visible ASCII: openssl rand -hex 32 > {path}"
        )
    return token
