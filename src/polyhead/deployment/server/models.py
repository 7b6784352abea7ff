"""Models: those that a server has, by name, each with the queue of its requests. Knows nothing about HTTP."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server.batcher import Batcher
from polyhead.errors import ParameterError

_ECHOED = 100  # characters of what a client sent


class UnknownModelError(Exception):
    """A request asks for a model that there is not."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model, and how it is shown.

    Args:
        name: under which clients ask for it.
        predictor: computes the answers.
        neighbors: sentences of which the nearest are shown, None where there are none.
        examples: sentences to try the model with; None takes some of those that are shown, or three of ours.
    """

    name: str
    predictor: Predictor
    neighbors: Neighbors | None = None
    examples: Sequence[str] | None = None

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        name: str | None = None,
        neighbors: Neighbors | None = None,
        examples: Sequence[str] | None = None,
    ) -> Self:
        """Make one whose name is the bundle's, and whose sentences are those that the bundle stores, if None is given.

        Raises:
            UserError: the bundle's stored sentences are damaged.
        """
        bundle = predictor.bundle
        stored = neighbors or Neighbors.read(bundle.folder, predictor.hidden_size)
        return cls(name or bundle.name, predictor, stored, examples)


@dataclass(frozen=True, eq=False)
class QueuedModel:
    """A model with the queue of its requests."""

    served: ServedModel
    batcher: Batcher

    @property
    def name(self) -> str:
        """The name under which clients ask for it."""
        return self.served.name

    @property
    def predictor(self) -> Predictor:
        """What computes the answers."""
        return self.served.predictor


class Models:
    """The models of a server, the first of which is asked where a request names none.

    Args:
        queued: one or more, no two of the same name.
    """

    def __init__(self, queued: Sequence[QueuedModel]) -> None:
        self._queued = {model.name: model for model in queued}

    def __iter__(self) -> Iterator[QueuedModel]:
        return iter(self._queued.values())

    @property
    def names(self) -> list[str]:
        """The names, that of the first model first."""
        return list(self._queued)

    def choose(self, name: str | None) -> QueuedModel:
        """Return a model; the first for None.

        Raises:
            UnknownModelError: there is none of that name; one line says which there are.
        """
        if name is None:
            return next(iter(self))
        if name not in self._queued:
            one, *others = map(repr, self._queued)
            there = ", ".join(["the models " + one, *others]) if others else f"one model, {one}"
            raise UnknownModelError(f"model: {name[:_ECHOED]!r} given; this server has {there}")
        return self._queued[name]

    def forget(self) -> None:
        """Let go of the models, so that their memory is free although routes still refer to this object."""
        self._queued = {}


def check_names(names: Sequence[str]) -> None:
    """Check that there are models, and that each has a name of its own.

    Raises:
        ParameterError: there are none, or two of the same name.
    """
    if not names:
        raise ParameterError("model: no model given; name a bundle, or several: model=[FOLDER, FOLDER]")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        line = f"model: two models are called {twice[0]!r}; give them names: model={{NAME: FOLDER, NAME: FOLDER}}"
        raise ParameterError(line)
