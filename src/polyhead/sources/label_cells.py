"""Label cells: a column of labels of any Arrow type as texts. Knows nothing about tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
    """
    import pyarrow as pa
    from pyarrow import compute

    if free and pa.types.is_nested(array.type):
        array = _joined_lists(array, getattr(getattr(feature, "feature", None), "names", None))
    names = getattr(feature, "names", None)
    if names is not None:  # class indices with their names; hub data sets mark a missing label by -1
        named = compute.if_else(compute.less(array, 0), len(names), array)
        array = pa.array([*names, None]).take(named)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        array = compute.if_else(compute.is_nan(array), None, array)
        array = array if free else array.cast(pa.int64())  # whole numbers with gaps, as pandas holds them
    trimmed = compute.utf8_trim_whitespace(array.cast(pa.large_string()))
    missing = pa.array(["", *missing_values], pa.large_string())
    return compute.if_else(compute.is_in(trimmed, missing), None, trimmed)


def _joined_lists(lists: "Array", names: Sequence[str] | None) -> "Array":
    """Return lists of labels as texts; ``names`` are those of classes, where they have indices, -1 for no label."""
    import pyarrow as pa

    rows = lists.to_pylist()
    if names is not None:
        rows = [[names[index] for index in row] if _are_classes(row) else None for row in rows]
    return pa.array([None if row is None else list_text(row) for row in rows], pa.large_string())


def _are_classes(indices: Sequence[int | None] | None) -> bool:
    return indices is not None and all(index is not None and index >= 0 for index in indices)
