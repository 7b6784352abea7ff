import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.tasks.targets import MISSING
from polyhead.training.start_rows import choose_rows

RARE = 20


def counts(labels, rows):
    return np.bincount(labels[rows], minlength=labels.max() + 1)


def test_few_rows_are_all_taken():
    assert choose_rows({"task": np.zeros(50, dtype=np.int64)}, limit=50) is None


@given(st.lists(st.integers(0, 6), min_size=30, max_size=400), st.integers(1, 25))
def test_rows_rise_and_hold_enough_of_each_class(classes, limit):
    labels = np.array(classes)
    rows = choose_rows({"task": labels}, limit)
    assert (np.diff(rows) > 0).all()
    assert (counts(labels, rows) >= np.minimum(counts(labels, slice(None)), RARE)).all()
    assert len(rows) <= limit + RARE * len(np.unique(labels))


def test_common_classes_keep_their_shares():
    labels = np.random.default_rng(0).choice(3, size=10_000, p=[0.6, 0.3, 0.1])
    rows = choose_rows({"task": labels}, limit=1000)
    assert len(rows) == 1000
    np.testing.assert_allclose(counts(labels, rows) / 1000, [0.6, 0.3, 0.1], atol=0.05)


def test_each_task_of_disjoint_sources_has_rows():
    first = np.full(10_000, MISSING)
    second = first.copy()
    first[:9_990], second[9_990:] = 0, 1
    rows = choose_rows({"first": first, "second": second}, limit=100)
    assert set(range(9_990, 10_000)) <= set(rows.tolist())


def test_rows_that_say_nothing_of_heads_are_left_out():
    places = np.arange(10_000)
    labels = np.where(places % 50 == 7, places % 3, MISSING)  # as beside sentences for a student, without labels
    rows = choose_rows({"task": labels}, limit=150)
    assert len(rows) == 150
    assert (labels[rows] != MISSING).all()
    weights = (places % 100 == 7).astype(np.float32)
    weighted = choose_rows({"task": labels}, limit=150, weights=weights)
    np.testing.assert_array_equal(weighted, places[7::100])


@pytest.mark.parametrize(
    ("labels", "rare"),
    [
        (np.where(np.arange(1000) < 5, 0.5, np.nan), range(5)),
        (np.stack([np.arange(1000) < 1000, np.arange(1000) < 5], axis=1).astype(np.int64), range(5)),
    ],
    ids=["numbers", "several labels"],
)
def test_rows_of_other_kinds_hold_what_is_rare(labels, rare):
    rows = choose_rows({"task": labels}, limit=10)
    assert set(rare) <= set(rows.tolist())
    assert len(rows) < 60
