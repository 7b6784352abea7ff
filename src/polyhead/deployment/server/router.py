"""Router: what all routes have in common in the description of the server. Knows none of them."""

from typing import Any

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from polyhead.deployment.server.problems import openai_refusals, refusals


def make_router(asked: bool, *refused: int) -> APIRouter:
    """Return a router whose routes are described with their refusals.

    Args:
        asked: whether clients are asked for a token.
        refused: statuses of refusals beside those that any request may meet.
    """
    return APIRouter(dependencies=_dependencies(asked), responses=refusals(*([401] if asked else []), *refused))


def make_openai_router(asked: bool) -> APIRouter:
    """Return a router for routes below ``/v1``, as :func:`make_router`."""
    return APIRouter(dependencies=_dependencies(asked), responses=openai_refusals())


def _dependencies(asked: bool) -> list[Any]:
    return [Security(HTTPBearer(auto_error=False))] if asked else []
