"""Pipeline: what turns a text into an embedding around a transformer. Knows nothing about where that is written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from polyhead.errors import ParameterError, did_you_mean
from polyhead.models.sentence_modules import KINDS, Normalize, SentenceModule

POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Flags of older versions of sentence-transformers -> poolings, in the order in which they stand side by side there."""


@dataclass(frozen=True)
class ModuleFolder:
    """A module on top of pooling, as a folder describes it.

    Args:
        kind: its class.
        path: of its folder within the model.
        settings: its ``config.json``.
    """

    kind: str
    path: str
    settings: Mapping[str, Any]

    def build(self) -> SentenceModule:
        """Make the module, with random weights.

        Raises:
            ParameterError: a setting that it cannot have.
        """
        with inside(self.path):
            return KINDS[self.kind].from_settings(self.settings)


@dataclass(frozen=True)
class Pipeline:
    """What turns a text into an embedding around a transformer.

    Args:
        pooling: one or several, whose results stand side by side.
        include_prompt: whether the tokens of a prompt are pooled as well.
        modules: on top of pooling, in their order.
        transformer: path of the transformer's files within the model.
        token_width: of the token states, where the folder says it.
        max_length: longest text in tokens; None is the tokenizer's.
        lower_case: whether texts are lower-cased before the tokenizer.
    """

    pooling: tuple[str, ...] = ("mean",)
    include_prompt: bool = True
    modules: tuple[ModuleFolder, ...] = ()
    transformer: str = ""
    token_width: int | None = None
    max_length: int | None = None
    lower_case: bool = False

    @property
    def is_normalized(self) -> bool:
        """Whether embeddings have length 1."""
        return len(self.modules) > 0 and self.modules[-1].kind == Normalize.__name__


@dataclass(frozen=True)
class Prompts:
    """Texts that may stand before each text.

    Args:
        texts: by name.
        default: the name of that which is taken unless another is chosen; None takes none.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None

    def choose(self, given: str) -> str:
        """Return a prompt.

        Args:
            given: a text, a name, or ``auto`` for the default.

        Raises:
            ParameterError: a single word that is none of the names.
        """
        if given == "auto":
            return "" if self.default is None else self.texts[self.default]
        if given in self.texts:
            return self.texts[given]
        if self.texts and given.isidentifier():
            hint = did_you_mean(given, self.texts)
            raise ParameterError(
                f"prompt: the model has none that is called {given!r}; {hint}; or give a text of your own"
            )
        return given


def pooling_settings(pooling: Sequence[str], token_width: int, include_prompt: bool) -> dict[str, Any]:
    """Return the entries of a ``config.json`` of Pooling, in the form that the most versions read.

    Older versions have a flag for each, and put them side by side in an order of their own.
    """
    settings: dict[str, Any] = {"word_embedding_dimension": token_width}
    names = {name: flag for flag, name in POOLING_FLAGS.items()}
    if list(pooling) == [name for name in names if name in pooling]:
        shown = {"cls", "mean", "max", *pooling}
        settings |= {flag: name in pooling for name, flag in names.items() if name in shown}
    else:
        theirs = {"mean_sqrt_len": "mean_sqrt_len_tokens"}
        settings["pooling_mode"] = [theirs.get(name, name) for name in pooling]
    return settings if include_prompt else {**settings, "include_prompt": False}


@contextmanager
def inside(place: str) -> Iterator[None]:
    """Say of an error about a setting in which file or folder of the model it stands."""
    try:
        yield
    except ParameterError as error:
        raise ParameterError(f"location: its {place} has {error}") from error
