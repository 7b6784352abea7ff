"""OpenAI schemas: the JSON of ``/v1``, as OpenAPI describes it. Knows nothing about what computes the answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.schemas import MOST_CHARACTERS, TEXT_PATTERN, OnlyKnown, texts_type, whole


class Usage(BaseModel):
    """The tokens that were computed, special ones included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingEntry(BaseModel):
    """The embedding of one text: numbers, or base64 of them in single precision, least byte first."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(BaseModel):
    """An embedding per text, in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddingEntry]
    model: str
    usage: Usage


class ModelEntry(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"]
    owned_by: str


class ModelList(BaseModel):
    """All models of the server, the default one first."""

    object: Literal["list"]
    data: list[ModelEntry]


class _ToEmbed(OnlyKnown):
    """What a request for embeddings can have beside its texts."""

    model: Annotated[str, Field(max_length=MOST_CHARACTERS, description="one of /v1/models")]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[
        Annotated[int, Field(ge=1, strict=True)] | None,
        BeforeValidator(whole),
        Field(description="of the embedding; its own, or fewer that the model was trained for"),
    ] = None
    user: Annotated[str | None, Field(max_length=MOST_CHARACTERS, description="has no effect")] = None


def openai_model(limits: Limits) -> type[BaseModel]:
    """Build the model of a request for embeddings, whose description in OpenAPI states the limits."""
    one = {"type": "string", "maxLength": limits.characters, **TEXT_PATTERN}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": limits.texts}
    about = {"anyOf": [one, many], "description": "a text, or a list of texts; token ids are refused"}
    texts: Any = Annotated[texts_type(limits), BeforeValidator(_as_list), WithJsonSchema(about)]
    return create_model("TextsToEmbed", __base__=_ToEmbed, input=(texts, ...))


def _as_list(given: Any) -> Any:
    """Return one text as a list of it, and refuse token ids by their name."""
    if isinstance(given, str):
        return [given]
    first = given[0] if isinstance(given, list) and given else None
    if isinstance(first, int | list):
        raise PydanticCustomError("tokens", "token ids given; send texts, for this model has a tokenizer of its own")
    return given
