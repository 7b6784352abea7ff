from collections import defaultdict

import numpy as np
import pytest

from polyhead.sources.duplicates import contained, find_duplicates


def test_contained_is_numpys_isin():
    random = np.random.default_rng(0)
    texts, others = random.integers(0, 1000, 5000), random.integers(0, 1000, 300)
    assert (contained(texts, others) == np.isin(texts, others)).all()
    assert not contained(texts, others[:0]).any()


@pytest.mark.parametrize("values", [1, 3, 50, 10_000])
def test_find_duplicates_groups_equal_texts_and_leaves_out_single_ones(values):
    texts = np.random.default_rng(values).integers(-values, values, 300)
    rows_of = defaultdict(list)
    for row, text in enumerate(texts.tolist()):
        rows_of[text].append(row)
    expected = [rows_of[text] for text in sorted(rows_of) if len(rows_of[text]) > 1]
    found = find_duplicates(texts)
    groups = [[int(found.rows[i]) for i in found.group(index)] for index in range(len(found.starts))]
    assert groups == expected


@pytest.mark.parametrize("texts", [[], [5], [5, 6, 7]])
def test_find_duplicates_of_different_texts_is_empty(texts):
    rows, starts = find_duplicates(np.array(texts, dtype=np.int64))
    assert (len(rows), len(starts)) == (0, 0)
