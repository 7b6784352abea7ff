"""OpenAI routes: embeddings in the form that clients of OpenAI's API speak. Knows nothing about sockets.

Source of the form: https://platform.openai.com/docs/api-reference/embeddings. Vectors have length 1, as there, so that
their dot product is the cosine.
"""

import asyncio
import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from polyhead.deployment.bundle.neighbors import unit_vectors
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.models import Models
from polyhead.deployment.server.openai_schemas import EmbeddingList, ModelList, openai_model
from polyhead.deployment.server.prediction_routes import choose
from polyhead.deployment.server.problems import problem


def add_openai_routes(router: APIRouter, models: Models, limits: Limits) -> None:
    """Add ``/v1/embeddings`` and ``/v1/models`` to a router."""
    to_embed: Any = openai_model(limits)
    sizes = {model.name: _sizes(model.predictor) for model in models}

    @router.get("/v1/models", response_model=ModelList)
    async def list_models() -> Response:
        """List the models, for clients of OpenAI's API; the first is the default of other paths."""
        entries = [{"id": name, "object": "model", "owned_by": "polyhead"} for name in sizes]
        return JSONResponse({"object": "list", "data": entries})

    @router.post("/v1/embeddings", response_model=EmbeddingList)
    async def embeddings(request: Request, body: to_embed) -> Response:
        """Embed every text, for clients of OpenAI's API; the vectors have length 1."""
        model = choose(models, request, body.model)
        whole, *others = sizes[model.name]
        size = body.dimensions or whole
        if size not in (whole, *others):
            allowed = " or ".join([*map(str, sizes[model.name]), "left out"])
            return problem(422, f"dimensions: {size} given; it must be {allowed}, for the model has no others")
        predictions: Any = await model.batcher.submit([(text, None) for text in body.input])
        tokens = await asyncio.to_thread(model.predictor.runner.count_tokens, body.input)
        data = _entries(unit_vectors(predictions.embeddings[:, :size]), body.encoding_format)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({"object": "list", "data": data, "model": model.name, "usage": usage})


def _sizes(predictor: Predictor) -> list[int]:
    """Return the widths of a model's embeddings, its own first; averages of windows have no other."""
    width, manifest = predictor.hidden_size, predictor.bundle.manifest
    trained = map(int, manifest.dimensions) if manifest.windows == 1 else ()
    return [width, *(size for size in trained if size < width)]


def _entries(vectors: NDArray[np.float32], encoding: str) -> list[dict[str, Any]]:
    """Return the entries of vectors (N, H)."""
    written = [_base64(vector) for vector in vectors] if encoding == "base64" else vectors.tolist()
    return [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(written)]


def _base64(vector: NDArray[np.float32]) -> str:
    """Return a vector as base64 of single precision, least byte first."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
