"""OpenAI errors: the refusals of some paths, in the form that clients of OpenAI's API read. Knows no route."""

import json
import re
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/v1/"
_PARAMETER = re.compile(r"(?:body\.)?([a-z_]+)[.\d]*: ")
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class OpenAIErrorMiddleware:
    """Turns refusals of the paths below ``/v1/`` into ``{"error": {"message", "type", "param", "code"}}``.

    A request that does not fit is answered by 400 there, where other paths answer 422.

    Args:
        app: serves the requests; each refusal of it comes in one piece and holds one line, ``error``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        begun: Message | None = None

        async def send_in_form(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                begun = message
            elif begun is None:
                await send(message)
            else:
                await _refusal(begun, message["body"])(scope, receive, send)

        await self.app(scope, receive, send_in_form)


def _refusal(begun: Message, body: bytes) -> JSONResponse:
    """Return a refusal in OpenAI's form, with its headers but for those of its content."""
    line = json.loads(body)["error"]
    status = begun["status"]
    kept = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in begun["headers"]]
    headers = {name: value for name, value in kept if not name.lower().startswith("content-")}
    given = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    return JSONResponse({"error": openai_error(status, line)}, status_code=given, headers=headers)


def openai_error(status: int, line: str) -> dict[str, Any]:
    """Return an error of a status as clients of OpenAI's API read it, from its one line."""
    named = _PARAMETER.match(line)
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"message": line, "type": kind, "param": named[1] if named else None, "code": _CODES.get(status)}
