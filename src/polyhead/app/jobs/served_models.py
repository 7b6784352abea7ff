"""Served models: the bundles of ``polyhead serve``, loaded, and loaded again once they were replaced."""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig

from polyhead import hardware
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server import ServedModel, Service, check_names
from polyhead.errors import UserError, collect_errors, one_line

_LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Place:
    """Where a model lies.

    Args:
        folder: of its bundle.
        name: under which it is served; None takes the bundle's.
    """

    folder: str
    name: str | None


def read_places(config: DictConfig) -> list[Place]:
    """Return where the models lie that a configuration names.

    One folder has the name that ``name`` gives, or else its bundle; of several each has that of its folder, or the one
    that stands before it.

    Raises:
        UserError: something else than folders, two of the same name, or a name for several.
    """
    given = config.model
    if isinstance(given, str):
        return [Place(given, config.name)]
    entries = list(given) if isinstance(given, ListConfig) else list(given.values())
    if not all(isinstance(folder, str) and folder for folder in entries):
        raise UserError(f"model: {given!s} given; it must be a folder, [FOLDER, ...], or {{NAME: FOLDER, ...}}")
    if config.name is not None:
        raise UserError("name: given beside several models; leave it out, and write model={NAME: FOLDER, ...}")
    base = [os.path.basename(os.path.abspath(folder)) for folder in entries]
    names = base if isinstance(given, ListConfig) else [str(name) for name in given]
    check_names(names)
    return [Place(folder, name) for folder, name in zip(entries, names, strict=True)]


@dataclass(frozen=True)
class Loader:
    """Loads bundles, all in the same way.

    Args:
        backend: of the predictors.
        precision: of the predictors.
        device: of the predictors.
        sentences: of which the nearest are shown; without any, those that each bundle stores.
        examples: sentences to try each model with.
    """

    backend: str
    precision: str
    device: str
    sentences: Sequence[str]
    examples: Sequence[str] | None

    def load(self, place: Place) -> ServedModel:
        """Load a bundle, and compute with it once: libraries prepare on first use, and no request must wait for that.

        Raises:
            UserError: it is no bundle, is damaged, or was replaced while it was read.
        """
        version = Bundle.open(place.folder).version
        predictor = Predictor.load(place.folder, self.backend, self.precision, self.device)
        predictor.predict(["warm", "up"])
        model = ServedModel.of(predictor, place.name, self._neighbors(predictor), self.examples)
        latest = Bundle(predictor.bundle.folder, predictor.bundle.manifest).version
        if not version == predictor.bundle.version == latest:
            raise UserError(f"{place.folder!r} was replaced while it was read; load it again")
        return model

    def _neighbors(self, predictor: Predictor) -> Neighbors | None:
        """Embed the sentences of which the nearest are shown."""
        if not self.sentences:
            return None
        chunks = predictor.stream(self.sentences)
        return Neighbors.from_embeddings(self.sentences, (chunk.embeddings for chunk in chunks))


def load_all(places: Sequence[Place], loader: Loader) -> list[ServedModel]:
    """Load the bundles of some places.

    Raises:
        UserError: bundles that cannot be loaded, a line each.
    """
    problems: list[str] = []
    models: list[ServedModel] = []
    for place in places:
        with collect_errors(problems):
            models.append(loader.load(place))
    if problems:
        raise UserError("\n".join(problems))
    return models


@dataclass
class Reload:
    """Takes in the bundles that were replaced since they were loaded; one that cannot be loaded changes nothing.

    Args:
        service: serves the models.
        places: where each of them lies.
        models: as they are served, in the same order.
        loader: loads them.
    """

    service: Service
    places: Sequence[Place]
    models: Sequence[ServedModel]
    loader: Loader

    async def __call__(self) -> None:
        """Look at every place, and exchange what has changed between two requests."""
        before = self.models
        after = await asyncio.to_thread(self._look)
        lines = [_outcome(old, new) for old, new in zip(before, after, strict=True)]
        served = [old if isinstance(new, Exception) else new for old, new in zip(before, after, strict=True)]
        self.models = served
        del before, after
        await self.service.replace(served)
        gc.collect()  # the models of before, some of which refer to themselves
        hardware.return_freed_memory()
        for is_problem, line in lines:
            _say(line, sys.stderr if is_problem else sys.stdout)

    def _look(self) -> list[ServedModel | Exception]:
        """Return for every place the model that lies there now, or why there is none."""
        found: list[ServedModel | Exception] = []
        for place, model in zip(self.places, self.models, strict=True):
            try:
                found.append(self._newest(Place(place.folder, model.name), model))
            except Exception as error:  # whatever is wrong with the new one, the old one stays
                found.append(error)
        return found

    def _newest(self, place: Place, model: ServedModel) -> ServedModel:
        same = Bundle.open(place.folder).version == model.predictor.bundle.version
        return model if same else self.loader.load(place)


def _outcome(old: ServedModel, new: ServedModel | Exception) -> tuple[bool, str]:
    """Return whether an exchange failed, and a line that says so."""
    version = old.predictor.bundle.version
    if isinstance(new, Exception):
        return True, f"{old.name}: version {version} stays in service; {one_line(new, _LONGEST_REASON)}"
    if new is old:
        return False, f"{old.name}: version {version} is what lies there; nothing to exchange"
    return False, f"{old.name}: version {version} is replaced by {new.predictor.bundle.version}"


def _say(line: str, stream: Any) -> None:
    with suppress(OSError):  # nobody listens
        print(line, file=stream, flush=True)
