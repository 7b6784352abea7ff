"""Kept head: what ``metrics.json`` says of a head that a run took from its start and has no labels for."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from polyhead.errors import UserError


class KeptHead(TypedDict):
    """What a prediction needs of a head, as it was where the head was trained: nothing was measured of it since.

    Attributes:
        temperature: above 0.
        scores: of validation, see :mod:`polyhead.training.validation_scores`; None where there are none.
        dimensions: the temperature by width of the embedding below the whole; absent where it was trained for none.
    """

    temperature: float
    scores: Any
    dimensions: NotRequired[Mapping[str, float]]


def check_kept_head(path: str, task: str, kept: Mapping[str, Any]) -> None:
    """Check what a file says of a kept head.

    Raises:
        UserError: a temperature that is not above 0.
    """
    check_temperature(path, task, kept.get("temperature", 1.0))
    for temperature in kept.get("dimensions", {}).values():
        check_temperature(path, task, temperature)


def check_temperature(path: str, task: str, temperature: float) -> None:
    """Check a temperature.

    Raises:
        UserError: it is not above 0.
    """
    if temperature <= 0:
        raise UserError(f"{path!r} has the temperature {temperature} for {task}; it must be above 0")
