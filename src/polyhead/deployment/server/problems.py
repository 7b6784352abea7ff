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
from polyhead.deployment.server.models import UnknownModelError

STOPPING = "the server is stopping; ask another one, or try again later"
_FORMS = {"/v1/embeddings": 'send {"model": "...", "input": ["...", ...]}; GET /v1/models names the models'}
_FORM = 'send {"texts": ["...", ...]}; GET /health lists the limits'
_ECHOED = 100  # characters of what a client sent, in the answer to it


class Problem(BaseModel):
    """What is wrong with a request, and what to do."""

    error: str


class OpenAIError(BaseModel):
    """What is wrong with a request, as clients of OpenAI's API read it."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIProblem(BaseModel):
    """What is wrong with a request to a path below ``/v1``."""

    error: OpenAIError


_ANY_FORM = OpenAIProblem | Problem
_DESCRIPTIONS = {
    400: "No HTTP, or a body that ends too early.",
    401: "No bearer token, or another one.",
    404: "The server has no such model; or, of /neighbours, it stores no sentences.",
    408: "The request did not come whole in time.",
    409: "The coverage or the accuracy cannot be promised: the error says why.",
    413: "The body is too large.",
    415: "Not sent as application/json.",
    421: "The server does not go by the name that Host gives; the option hosts= names more.",
    422: "Not the JSON that is asked for, or beyond the limits.",
    429: "Too many texts or bytes wait; try again after Retry-After seconds.",
    431: "The head of the request is too large.",
    503: "The server is stopping, or has too many connections.",
}
_CONTENT = {"application/json": {"schema": Problem.model_json_schema()}}
_RETRY_AFTER = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of some refusals for OpenAPI, with those that any request may meet."""
    described: dict[int | str, dict[str, Any]] = {
        status: {"content": _CONTENT, "description": _DESCRIPTIONS[status]}
        for status in sorted({400, 408, 421, 431, 503, *statuses})
    }
    if 429 in described:
        described[429]["headers"] = _RETRY_AFTER
    return described


def openai_refusals() -> dict[int | str, dict[str, Any]]:
    """Return the description of the refusals below ``/v1`` for OpenAPI; those of a connection have the plain form."""
    return {
        "4XX": {"model": _ANY_FORM, "description": "Refused; the status is that of other paths, but 400 for 422."},
        "5XX": {"model": _ANY_FORM, "description": "The server failed, is stopping, or has too many connections."},
    }


def problem(status: int, message: str, **headers: str) -> JSONResponse:
    """Return the answer to a request that is not served: what is wrong, and what to do."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def too_busy(what: str) -> JSONResponse:
    """Return the answer to a request for which there is no room at present."""
    return problem(429, f"too many {what} wait to be computed; try again in a second", **{"Retry-After": "1"})


def answer_problems(app: FastAPI) -> None:
    """Turn every exception that a route raises into an answer of one line."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _invalid(request, error)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # no UTF-8, or nested deeper than this Python's parser goes
            return problem(422, f"{error.detail}; {_form(request)}")
        message = f"{error.detail}; /openapi.json lists what is served"
        return problem(error.status_code, message, **_with_head(error.headers or {}))

    @app.exception_handler(QueueFullError)
    async def full(_: Request, _error: QueueFullError) -> Response:
        return too_busy("texts")

    @app.exception_handler(ClosingError)
    async def closing(_: Request, _error: ClosingError) -> Response:
        return problem(503, STOPPING)

    @app.exception_handler(UnknownModelError)
    async def unknown(_: Request, error: UnknownModelError) -> Response:
        return problem(404, str(error))

    app.add_exception_handler(Exception, answer_failure)


async def answer_failure(_: Request, _error: Exception) -> Response:
    """Return the answer to a request on which the server failed."""
    return problem(500, "the server failed on this request; its log says why")


async def answer_no_path(_: Request, _error: Exception) -> Response:
    """Return the answer to a request for what is no path, as ``*`` or a whole URL; routes never see it."""
    return problem(404, "no path given; /openapi.json lists what is served")


def _with_head(headers: Any) -> dict[str, str]:
    """Add HEAD to the methods that are allowed where GET is."""
    return {name: value.replace("GET", "GET, HEAD") if name == "Allow" else value for name, value in headers.items()}


def _form(request: Request) -> str:
    """Return how a request to the same path looks like."""
    return _FORMS.get(request.url.path, _FORM)


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Name the first fault of a body, or the header that kept the body from being parsed."""
    content_type = request.headers.get("content-type", "")
    if "json" not in content_type.lower():
        given = content_type[:_ECHOED] or "none"
        return problem(415, f"Content-Type: {given} given; it must be application/json; {_form(request)}")
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))[:_ECHOED]
    return problem(422, f"{where}: {first['msg']}; {_form(request)}")
