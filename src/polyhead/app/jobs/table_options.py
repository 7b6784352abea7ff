"""Table options: the keys by which a command reads a table, their types, and the dialect that they describe."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig

from polyhead.storage.dialect import Dialect

_DIALECT: dict[str, Any] = {"encoding": str, "quote": str | None, "separator": str, "sheet": str | int | None}

TABLE_OPTIONS: Mapping[str, Any] = MappingProxyType({"input_format": str, "text": str | Sequence, **_DIALECT})
"""Key -> type, for commands that read the texts of a table."""

LATER_OPTIONS: Mapping[str, Any] = MappingProxyType({key: hint | None for key, hint in _DIALECT.items()})
"""Key -> type of the dialect, for commands that read a table as a model's own were read where a key is null."""


def read_dialect(config: DictConfig) -> Dialect:
    """Return the dialect that a command's configuration describes.

    Raises:
        ParameterError: of :class:`Dialect`.
    """
    return Dialect(*(config[key] for key in _DIALECT))
