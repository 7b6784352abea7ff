"""Later reading: how the files are read that a trained model is given. Knows nothing about what is done with them."""

from typing import Any

from omegaconf import DictConfig

from polyhead.app.config.builder import plain
from polyhead.app.loaded.scored_model import ScoredModel
from polyhead.sources.files import Paths
from polyhead.sources.later import LaterFiles
from polyhead.sources.table_cache import TableCache
from polyhead.storage.dialect import AUTO, Dialect

_READING: dict[str, Any] = {
    "text": "text",
    "columns": None,
    "encoding": "utf-8",
    "quote": AUTO,
    "separator": AUTO,
    "sheet": None,
    "missing_values": None,
    "pair": None,
}
"""How files are read where neither the command nor the training says it."""


def later_reading(scored: ScoredModel, config: DictConfig) -> dict[str, Any]:
    """Return how files are read: as those of the training, unless the command says otherwise.

    Args:
        scored: the model.
        config: of the command, with the keys that are returned.
    """
    given = {key: value for key, value in plain(config).items() if key in _READING and value is not None}
    reading = {**_READING, **scored.reading, **given}
    if reading["quote"] == "none":
        reading["quote"] = None
    return reading


def dialect_of(reading: dict[str, Any]) -> Dialect:
    """Return how the text of files is written."""
    return Dialect(reading["encoding"], reading["quote"], reading["separator"], reading["sheet"])


def later_files(scored: ScoredModel, config: DictConfig, files: Paths, parameter: str) -> LaterFiles:
    """Describe labelled files.

    Args:
        scored: the model, whose tasks they are labelled for.
        config: of the command.
        files: a path or a list of them, with wildcards.
        parameter: that named them.

    Raises:
        ParameterError: as :class:`LaterFiles`.
    """
    reading, names = later_reading(scored, config), [task.name for task in scored.tasks]
    columns = reading["columns"] or {}
    if config.columns is None:  # those of the training, of which some tasks may be left out now
        columns = {name: column for name, column in columns.items() if name in names}
    return LaterFiles(
        files,
        reading["text"],
        columns,
        dialect_of(reading),
        names,
        TableCache(config.cache, config.limit_gb),
        reading["missing_values"],
        parameter,
        reading["pair"],
    )
