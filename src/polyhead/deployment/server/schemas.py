"""Schemas: the JSON of requests and answers, as OpenAPI describes it. Knows nothing about what computes the answers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, create_model

from polyhead.deployment.server.limits import Limits


class Answer(BaseModel):
    """The prediction of one task for one text."""

    label: str
    probabilities: dict[str, float]


class Predicted(BaseModel):
    """An entry per text, each with an answer per task."""

    predictions: list[dict[str, Answer]]


class Embedded(BaseModel):
    """An embedding per text."""

    embeddings: list[list[float]]


class Neighbor(BaseModel):
    """A stored sentence, and the cosine of its embedding to the text's."""

    sentence: str
    cosine: float


class Nearest(BaseModel):
    """The nearest stored sentences of each text, nearest first."""

    neighbours: list[list[Neighbor]]


def texts_model(limits: Limits) -> type[BaseModel]:
    """Build the model of a request, whose description in OpenAPI states the limits."""
    text = Annotated[str, Field(max_length=limits.characters)]
    texts = Annotated[list[text], Field(min_length=1, max_length=limits.texts)]
    return create_model("Texts", __config__=ConfigDict(extra="forbid"), texts=(texts, ...))
