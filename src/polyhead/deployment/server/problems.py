"""Problems: the answers to requests that are not served. Knows nothing about what is served.

Each is a JSON object with one line, ``error``, that says what is wrong and what to do.
"""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from polyhead.deployment.server.batcher import ClosingError, QueueFullError

_FORM = 'send {"texts": ["...", ...]}; GET /health lists the limits'


class Problem(BaseModel):
    """What is wrong with a request, and what to do."""

    error: str


NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Problem, "description": "Not the JSON that is asked for, or beyond the limits."},
    429: {"model": Problem, "description": "Too many texts wait; try again in a second."},
    503: {"model": Problem, "description": "The server is stopping."},
}
"""The refusals of every route that takes texts, for its description in OpenAPI."""


def problem(status: int, message: str, **headers: str) -> JSONResponse:
    """Return the answer to a request that is not served: what is wrong, and what to do."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def answer_problems(app: FastAPI) -> None:
    """Turn every exception that a route raises into an answer of one line."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _invalid(request.headers.get("content-type", ""), error)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # no UTF-8, or nested deeper than this Python's parser goes
            return problem(422, f"{error.detail}; {_FORM}")
        return problem(error.status_code, f"{error.detail}; /openapi.json lists what is served")

    @app.exception_handler(QueueFullError)
    async def full(_: Request, _error: QueueFullError) -> Response:
        return problem(429, "too many texts wait to be computed; try again in a second", **{"Retry-After": "1"})

    @app.exception_handler(ClosingError)
    async def closing(_: Request, _error: ClosingError) -> Response:
        return problem(503, "the server is stopping; ask another one, or try again later")

    @app.exception_handler(Exception)
    async def failed(_: Request, _error: Exception) -> Response:
        return problem(500, "the server failed on this request; its log says why")


def _invalid(content_type: str, error: RequestValidationError) -> JSONResponse:
    """Name the first fault of a body, or the header that kept the body from being parsed."""
    if "json" not in content_type.lower():
        return problem(422, f"Content-Type: {content_type or 'none'} given; it must be application/json; {_FORM}")
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return problem(422, f"{where}: {first['msg']}; {_FORM}")
