"""Sentence modules: what sentence-transformers may put on top of pooling. Knows nothing about files or transformers.

Each is the module of the same name there, with the same names of parameters. Shapes: B sentences, W and V widths.
"""

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn
from torch.nn.functional import normalize

from polyhead.errors import ParameterError, did_you_mean

ACTIVATIONS: dict[str, type[nn.Module]] = {
    f"{kind.__module__}.{kind.__name__}": kind
    for kind in (
        nn.ELU,
        nn.GELU,
        nn.Hardswish,
        nn.Identity,
        nn.LeakyReLU,
        nn.Mish,
        nn.ReLU,
        nn.ReLU6,
        nn.SELU,
        nn.SiLU,
        nn.Sigmoid,
        nn.Softplus,
        nn.Softsign,
        nn.Tanh,
    )
}
"""Activation functions of ``Dense`` by the names that its files have for them; no name in a file is imported."""

IDENTITY = f"{nn.Identity.__module__}.{nn.Identity.__name__}"

_LARGEST_WIDTH = 100_000
_EMBEDDING = "sentence_embedding"
_TANH = f"{nn.Tanh.__module__}.{nn.Tanh.__name__}"


class SentenceModule(nn.Module):
    """A step from embeddings (B, W) to embeddings (B, V), of a class of the same name in sentence-transformers."""

    def settings(self) -> dict[str, Any]:
        """Return the entries of the module's ``config.json``."""
        return {}

    def width_after(self, width: int) -> int:
        """Return V for W.

        Raises:
            ParameterError: the module takes another width.
        """
        return width


class Dense(SentenceModule):
    """A linear layer and an activation function, with what goes in added to what comes out if that is asked for.

    Args:
        in_features: W.
        out_features: V.
        bias: whether the layer has one.
        activation: a name in ``ACTIVATIONS``.
        output: what sentence-transformers calls the result.
        use_residual: whether the embedding is added to the result, after a linear layer of its own where the widths
            differ.

    Raises:
        ParameterError: an activation that is not listed.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool,
        activation: str,
        output: str = _EMBEDDING,
        use_residual: bool = False,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ParameterError(f"activation_function: {activation!r} given; {did_you_mean(activation, ACTIVATIONS)}")
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        self.use_residual = use_residual
        self.residual: nn.Module = nn.Identity()
        if use_residual and in_features != out_features:
            self.residual = nn.Linear(in_features, out_features, bias=False)
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]()
        self.widths = (in_features, out_features)
        self.output = output

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make the module of a ``config.json``; Tanh is the activation where it names none, as in the library."""
        for key in ("module_input_name", "module_output_name"):
            _allow(settings, key, None, _EMBEDDING)
        widths = [_width(settings, key) for key in ("in_features", "out_features")]
        activation = settings.get("activation_function", _TANH)
        residual = flag(settings, "use_residual", False)
        return cls(widths[0], widths[1], flag(settings, "bias", True), str(activation), use_residual=residual)

    def settings(self) -> dict[str, Any]:
        """Return the entries of the module's ``config.json``."""
        settings = {
            "in_features": self.widths[0],
            "out_features": self.widths[1],
            "bias": self.linear.bias is not None,
            "activation_function": self.activation_name,
        }
        if self.use_residual:
            settings["use_residual"] = True
        names = {"module_input_name": _EMBEDDING, "module_output_name": self.output}
        return settings if self.output == _EMBEDDING else {**settings, **names}

    def width_after(self, width: int) -> int:
        """Return V for W."""
        return _same(width, self.widths[0], then=self.widths[1])

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings (B, W) to (B, V)."""
        mapped: Tensor = self.activation(self.linear(embeddings))
        return mapped + self.residual(embeddings) if self.use_residual else mapped


class LayerNorm(SentenceModule):
    """A layer norm over the units of an embedding.

    Args:
        dimension: W, which is V as well.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dimension)
        self.dimension = dimension

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make the module of a ``config.json``."""
        return cls(_width(settings, "dimension"))

    def settings(self) -> dict[str, Any]:
        """Return the entries of the module's ``config.json``."""
        return {"dimension": self.dimension}

    def width_after(self, width: int) -> int:
        """Return V for W, the same."""
        return _same(width, self.dimension, then=width)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings (B, W) to (B, W)."""
        normed: Tensor = self.norm(embeddings)
        return normed


class Normalize(SentenceModule):
    """Embeddings of length 1: their dot product is their cosine."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make the module of a ``config.json``."""
        for key in ("module_input_name", "module_output_name"):
            _allow(settings, key, None, _EMBEDDING)
        return cls()

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings (B, W) to (B, W)."""
        return normalize(embeddings, dim=-1)


KINDS: dict[str, type[Dense | LayerNorm | Normalize]] = {kind.__name__: kind for kind in (Dense, LayerNorm, Normalize)}
"""The modules that may stand on top of pooling, by name."""


def _allow(settings: Mapping[str, Any], key: str, *values: object) -> None:
    given = settings.get(key)
    if not any(given is value or given == value for value in values):
        raise ParameterError(f"{key}: {given!r:.60} given; it must be {values[-1]!r}, others are not supported")


def _width(settings: Mapping[str, Any], key: str) -> int:
    value = settings.get(key)
    if type(value) is not int or not 1 <= value <= _LARGEST_WIDTH:
        raise ParameterError(f"{key}: {value!r:.60} given; it must be a whole number from 1 to {_LARGEST_WIDTH}")
    return value


def flag(settings: Mapping[str, Any], key: str, default: bool) -> bool:
    """Return a setting that is true or false.

    Raises:
        ParameterError: it is something else.
    """
    value = settings.get(key, default)
    if not isinstance(value, bool):
        raise ParameterError(f"{key}: {value!r:.60} given; it must be true or false")
    return value


def _same(width: int, expected: int, then: int) -> int:
    if width != expected:
        raise ParameterError(f"it takes a width of {expected}, and what comes before it gives {width}")
    return then
