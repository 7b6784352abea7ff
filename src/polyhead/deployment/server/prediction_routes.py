"""Prediction routes: texts in, answers, embeddings and stored sentences out. Knows nothing about sockets."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from polyhead.deployment.predictions import Floats, Predictions
from polyhead.deployment.selection import Selection
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.metrics import MODEL
from polyhead.deployment.server.models import Models, QueuedModel
from polyhead.deployment.server.problems import problem, refusals
from polyhead.deployment.server.schemas import Embedded, Nearest, Predicted, predict_model, texts_model
from polyhead.errors import ParameterError, UserError, one_line
from polyhead.tasks import Task, of_pairs

_LONGEST_LINE = 400  # characters; it repeats what a client sent
_NEAREST = 5  # stored sentences shown per text


def choose(models: Models, request: Request, name: str | None) -> QueuedModel:
    """Return the model that a request asks, and let the counters know.

    Raises:
        UnknownModelError: there is none of that name.
    """
    model = models.choose(name)
    setattr(request.state, MODEL, model.name)
    return model


def add_prediction_routes(router: APIRouter, models: Models, limits: Limits) -> None:
    """Add ``/predict``, ``/embed`` and ``/neighbours`` to a router."""
    texts: Any = texts_model(limits)
    pairs = any(of_pairs(model.predictor.tasks) for model in models)
    to_predict: Any = predict_model(limits, pairs)

    @router.post("/predict", response_model=Predicted, responses=refusals(409))
    async def predict(request: Request, body: to_predict) -> Response:
        """Predict every task for every text; those about two texts where there are seconds."""
        model = choose(models, request, body.model)
        try:
            given = getattr(body, "seconds", None)  # there are none where no task is about two texts
            if given is not None:
                model.predictor.check_seconds(given, len(body.texts))
            selection = model.predictor.select(body.coverage, body.accuracy)
        except UserError as error:  # nothing to promise, or no number
            status = 422 if isinstance(error, ParameterError) else 409
            return problem(status, one_line(error, _LONGEST_LINE))
        seconds = given or [None] * len(body.texts)
        predictions: Any = await model.batcher.submit(list(zip(body.texts, seconds, strict=True)))
        if given is None:  # those of another client may have been computed along with these
            predictions = predictions.of_one_text()
        return JSONResponse({"predictions": _answers(predictions, selection, body.top_k)})

    @router.post("/embed", response_model=Embedded)
    async def embed(request: Request, body: texts) -> Response:
        """Embed every text."""
        model = choose(models, request, body.model)
        predictions: Any = await model.batcher.submit([(text, None) for text in body.texts])
        return JSONResponse({"embeddings": predictions.embeddings.tolist()})

    @router.post("/neighbours", name="neighbours", response_model=Nearest)
    async def neighbors(request: Request, body: texts) -> Response:
        """Find the stored sentences that are nearest to every text."""
        model = choose(models, request, body.model)
        stored = model.served.neighbors
        if stored is None:
            return problem(404, "no sentences are stored; serve with sentences=FILE, or export with sentences=train")
        predictions: Any = await model.batcher.submit([(text, None) for text in body.texts])
        nearest = await asyncio.to_thread(stored.nearest, predictions.embeddings, _NEAREST)
        return JSONResponse({"neighbours": [_neighbors(found) for found in nearest]})


def _answers(predictions: Predictions, selection: Selection, top_k: int | None) -> list[dict[str, Any]]:
    answers = [
        {
            task: {"label": label, "probabilities": _most_probable(prediction.probabilities.get(task, {}), top_k)}
            for task, label in prediction.labels.items()
        }
        for prediction in predictions
    ]
    for task in filter(selection.concerns, predictions.tasks):
        _select([answer[task.name] for answer in answers], task, predictions.probabilities[task.name], selection)
    return answers


def _select(answers: Sequence[dict[str, Any]], task: Task, probabilities: Floats, selection: Selection) -> None:
    """Add the sets to the answers of a task, and take away the labels that are no answers."""
    if task.name in selection.least_in_set:
        for answer, labels in zip(answers, selection.label_sets(task, probabilities), strict=True):
            answer["set"] = labels or None
    if task.name in selection.least_answered:
        for answer, is_answered in zip(answers, selection.answered(task, probabilities).tolist(), strict=True):
            answer["label"] = answer["label"] if is_answered else None


def _most_probable(probabilities: Mapping[str, float], top_k: int | None) -> dict[str, float]:
    if top_k is None:
        return dict(probabilities)
    ordered = sorted(probabilities.items(), key=lambda entry: -entry[1])
    return dict(ordered[:top_k])


def _neighbors(found: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"sentence": sentence, "cosine": cosine} for sentence, cosine in found]
