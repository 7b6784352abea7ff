"""Schemas: the JSON of requests and answers, as OpenAPI describes it. Knows nothing about what computes the answers."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from polyhead.deployment.server.limits import Limits
from polyhead.storage.cells import is_blank

TEXT_PATTERN: dict[str, Any] = {"pattern": r"[^\s\x1c-\x1f\x85]"}
"""A text is not blank; the controls are blanks in Python, and none in JavaScript."""

MOST_CHARACTERS = 1000
"""Of the name of a model."""


class Answer(BaseModel):
    """The prediction of one task for one text."""

    label: Annotated[
        str | float | list[str] | None,
        Field(
            description="the most probable class, null if accuracy asks to abstain; of a number task the number, of a "
            "multi_label task all labels that reach their thresholds, of a similarity or contrastive task the cosine; "
            "null of a task about two texts where there is one"
        ),
    ]
    probabilities: Annotated[dict[str, float], Field(description="of each class; empty where a task has none")]
    label_set: Annotated[
        list[str] | None, Field(alias="set", description="classes of the set, the most probable first, by coverage")
    ] = None


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


class AboutTask(BaseModel):
    """One of the heads."""

    name: str
    kind: str
    labels: list[str]
    calibrated: Annotated[bool, Field(description="one class with a calibrated probability: takes coverage, accuracy")]


class About(BaseModel):
    """Which model is served, and sentences to try it with."""

    name: str
    version: Annotated[str, Field(description="the first digits of the sha256 of the bundle's tasks.json")]
    made_with: Annotated[dict[str, str], Field(description="versions, and the run that the weights come from")]
    tasks: list[AboutTask]
    limits: dict[str, float]
    examples: list[str]
    pairs: Annotated[list[str], Field(description="the tasks about two texts")]
    sentences: Annotated[int, Field(description="stored, of which /neighbours gives the nearest")]


class Health(BaseModel):
    """Whether requests are served, and how the first model is asked.

    Who has no token, where one is asked for, gets no more than the first.
    """

    status: str
    tasks: dict[str, list[str]] | None = None
    pairs: Annotated[list[str] | None, Field(description="tasks about two texts, which need seconds")] = None
    limits: dict[str, float] | None = None
    models: Annotated[list[str] | None, Field(description="all that are served, where there are several")] = None


class OnlyKnown(BaseModel):
    """Refuses other entries one at a time: an error for each of a million would fill the memory."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_first(cls, data: Any) -> Any:
        known = list(cls.model_fields)
        others = [name for name in data if name not in known] if isinstance(data, dict) else []
        return {name: data[name] for name in (*known, *others[:1]) if name in data} if others else data


def predict_model(limits: Limits, pairs: bool = False) -> type[BaseModel]:
    """Build the model of a request for predictions: texts, and what the answer shall have.

    Args:
        limits: of texts.
        pairs: whether there are tasks about two texts, for which a request may have second ones.
    """
    seconds: dict[str, Any] = {"seconds": (_seconds(limits), None)} if pairs else {}
    about = "classes of each task in the answer, the most probable first; all of them if it is left out"
    count = Annotated[int, Field(ge=1, strict=True)]
    top_k = Annotated[count | None, BeforeValidator(whole), Field(description=about)]
    return create_model(
        "TextsToPredict",
        __base__=texts_model(limits),
        **seconds,
        top_k=(top_k, None),
        coverage=(_share("how often the set of labels shall hold the true one"), None),
        accuracy=(_share("how often an answer shall be right; texts that are too hard get null"), None),
    )


def _seconds(limits: Limits) -> Any:
    """Describe the second texts of tasks about two; the predictor checks that they go with the texts."""
    about = "the second text of each, for tasks about two; null where there is none"
    text = Annotated[str, _within(limits), AfterValidator(_refuse_blank)]
    seconds = Annotated[list[text | None], Field(min_length=1, max_length=limits.texts)]
    return Annotated[seconds | None, Field(description=about)]


def whole(value: object) -> object:
    """Return 2 for 2.0, which is an integer in JSON Schema; other values as they are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _share(about: str) -> Any:
    """Describe a share between 0 and 1, for all tasks or by task; the predictor checks it and says what is wrong."""
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    by_task = {"type": "object", "additionalProperties": share}
    about = f"{about}; one for all tasks, or by task"
    return Annotated[Any, WithJsonSchema({"anyOf": [share, by_task, {"type": "null"}], "description": about})]


def _refuse_blank(text: str) -> str:
    if is_blank(text):
        raise PydanticCustomError("blank", "a blank text has no prediction")
    return text


def texts_type(limits: Limits) -> Any:
    """Build the type of the texts of a request."""
    text = Annotated[str, _within(limits), AfterValidator(_refuse_blank)]
    return Annotated[list[text], Field(min_length=1, max_length=limits.texts)]


def texts_model(limits: Limits) -> type[BaseModel]:
    """Build the model of a request, whose description in OpenAPI states the limits."""
    about = "one of /v1/models; the first of them if it is left out"
    name = Annotated[str | None, Field(max_length=MOST_CHARACTERS, description=about)]
    return create_model("Texts", __base__=OnlyKnown, texts=(texts_type(limits), ...), model=(name, None))


def _within(limits: Limits) -> Any:
    """Describe a text that is not blank and not too long."""
    return Field(max_length=limits.characters, json_schema_extra=TEXT_PATTERN)
