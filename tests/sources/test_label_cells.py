"""Columns of labels of any Arrow type are texts, null where there is no label."""

import datasets
import pyarrow as pa
import pytest

from polyhead.sources.label_cells import label_cells

CLASSES = datasets.ClassLabel(names=["dry", "warm"])


@pytest.mark.parametrize(
    ("cells", "feature", "expected"),
    [
        ([1, -1, None], CLASSES, ["warm", None, None]),
        ([[1, 0], [], [-1], [0, None], None], datasets.List(CLASSES), ['["warm","dry"]', "[]", None, None, None]),
        ([["a"], None], None, ['["a"]', None]),
    ],
)
def test_label_cells_are_names_and_minus_one_is_none(cells, feature, expected):
    free = isinstance(cells[0], list)
    found = label_cells(pa.array(cells), feature, free, []).to_pylist()
    assert [cell and cell.replace(" ", "") for cell in found] == expected
