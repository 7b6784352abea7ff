"""Label cells: a column of labels of any Arrow type as texts. Knows nothing about tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polyhead.storage.class_names import class_names, name_classes
from polyhead.tasks import list_text

if TYPE_CHECKING:
    from pyarrow import Array


def label_cells(array: "Array", feature: Any, free: bool, missing_values: Sequence[str]) -> "Array":
    """Return the labels of a column as texts; a missing one is null.

    Args:
        array: of the cells.
        feature: of the column, as the library for tables has it.
        free: whether cells may be fractions, or lists.
        missing_values: labels that stand for no label.

    Raises:
        ArrowInvalid: a cell that is no label.
        ValueError: a number of no class.
    """
    import pyarrow as pa
    from pyarrow import compute

    names = class_names(feature)
    if names is not None:
        array = _named(array, names)
    if free and pa.types.is_nested(array.type):
        rows = array.to_pylist()
        array = pa.array([None if row is None else list_text(row) for row in rows], pa.large_string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        array = compute.if_else(compute.is_nan(array), None, array)
        array = array if free else array.cast(pa.int64())  # whole numbers with gaps, as pandas holds them
    trimmed = compute.utf8_trim_whitespace(array.cast(pa.large_string()))
    missing = pa.array(["", *missing_values], pa.large_string())
    return compute.if_else(compute.is_in(trimmed, missing), None, trimmed)


def _named(array: "Array", names: Sequence[str]) -> "Array":
    """Return the names of class numbers, or of lists of them."""
    import pyarrow as pa

    if pa.types.is_nested(array.type):
        return pa.array([name_classes(cell, names) for cell in array.to_pylist()], pa.list_(pa.string()))
    numbers = array.dictionary_encode()
    known = [name_classes(number, names) for number in numbers.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(numbers.indices)
