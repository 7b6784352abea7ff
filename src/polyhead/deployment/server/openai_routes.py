"""OpenAI routes: embeddings in the form that clients of OpenAI's API speak. Knows nothing about sockets.

Source of the form: https://platform.openai.com/docs/api-reference/embeddings. Vectors have length 1, as there, so that
their dot product is the cosine.
"""

import asyncio
import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from polyhead.deployment.bundle.neighbors import unit_vectors
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server.batcher import Batcher
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.openai_schemas import EmbeddingList, ModelList, openai_model
from polyhead.deployment.server.problems import problem

_ECHOED = 100  # characters of what a client sent


def add_openai_routes(router: APIRouter, batcher: Batcher, predictor: Predictor, limits: Limits, name: str) -> None:
    """Add ``/v1/embeddings`` and ``/v1/models`` to a router.

    Args:
        router: takes them.
        batcher: computes the embeddings.
        predictor: counts tokens.
        limits: how much clients may ask for.
        name: of the one model that there is.
    """
    to_embed: Any = openai_model(limits)
    width, trained = predictor.hidden_size, map(int, predictor.bundle.manifest.dimensions)
    sizes = [width, *(size for size in trained if size < width)]

    @router.get("/v1/models", response_model=ModelList)
    async def models() -> Response:
        """List the one model, for clients of OpenAI's API."""
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model", "owned_by": "polyhead"}]})

    @router.post("/v1/embeddings", response_model=EmbeddingList)
    async def embeddings(body: to_embed) -> Response:
        """Embed every text, for clients of OpenAI's API; the vectors have length 1."""
        if body.model != name:
            return problem(404, f"model: {body.model[:_ECHOED]!r} given; this server has one model, {name!r}")
        size = body.dimensions or width
        if size not in sizes:
            allowed = " or ".join([*map(str, sizes), "left out"])
            return problem(422, f"dimensions: {size} given; it must be {allowed}, for the model has no others")
        predictions: Any = await batcher.submit([(text, None) for text in body.input])
        tokens = await asyncio.to_thread(predictor.runner.count_tokens, body.input)
        data = _entries(unit_vectors(predictions.embeddings[:, :size]), body.encoding_format)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({"object": "list", "data": data, "model": name, "usage": usage})


def _entries(vectors: NDArray[np.float32], encoding: str) -> list[dict[str, Any]]:
    """Return the entries of vectors (N, H)."""
    written = [_base64(vector) for vector in vectors] if encoding == "base64" else vectors.tolist()
    return [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(written)]


def _base64(vector: NDArray[np.float32]) -> str:
    """Return a vector as base64 of single precision, least byte first."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
