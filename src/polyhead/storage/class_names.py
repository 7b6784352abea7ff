"""Class names: those that a library has for the class numbers of a column. Imports no such library."""

from collections.abc import Sequence
from typing import Any


def class_names(feature: Any) -> Sequence[str] | None:
    """Return the names of the classes whose numbers a column has, or lists of them; None where it has others.

    Args:
        feature: of the column, as ``datasets`` describes it.
    """
    names: Sequence[str] | None = getattr(getattr(feature, "feature", feature), "names", None)
    return names


def name_classes(cell: Any, names: Sequence[str]) -> Any:
    """Return the name of a class number, or those of a list; None where one is missing, which hub data sets mark by -1.

    >>> name_classes(1, ["dry", "warm"]), name_classes([1, 0], ["dry", "warm"]), name_classes(-1, ["dry", "warm"])
    ('warm', ['warm', 'dry'], None)

    Raises:
        ValueError: no class has such a number.
    """
    if isinstance(cell, list | tuple):
        found = [name_classes(number, names) for number in cell]
        return None if None in found else found
    if cell is None or cell < 0:
        return None
    if cell >= len(names):
        raise ValueError(f"{cell} is the number of no class; they are 0 to {len(names) - 1}, and -1 for none")
    return names[cell]
