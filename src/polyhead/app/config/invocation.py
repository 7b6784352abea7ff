"""Invocation: how a run was asked for, as far as its configuration does not say it. Knows nothing about Hydra."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Invocation:
    """How a run was asked for.

    Args:
        choices: the option taken in each group of the configuration; none where that was composed elsewhere.
        overrides: the arguments of ``train.py`` that make the configuration.
        in_multirun: whether the run is one job of a sweep.
        shares_terminal: whether other jobs write to the same terminal.
        cores: that the run may use; None for all.
        command: the command line; None for that of this process.
        search: folders with options of the user's own, beside those that ship.
    """

    choices: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    in_multirun: bool = False
    shares_terminal: bool = False
    cores: int | None = None
    command: Sequence[str] | None = None
    search: Sequence[Path] = ()

    def noted(self) -> dict[str, Any]:
        """Return what a run notes of it in its provenance, but for the command."""
        return {"choices": self.choices, "overrides": self.overrides}
