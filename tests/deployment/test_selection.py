"""Sets of labels and answers follow from thresholds, and what cannot be promised is one line."""

import math
from itertools import pairwise

import numpy as np
import pytest
from support.bundles import made_up_scores

from polyhead.deployment.selection import Selection, check_wanted
from polyhead.errors import UserError

SHARES = np.random.default_rng(0).dirichlet([0.5, 0.5, 0.5], size=200).astype(np.float32)


@pytest.fixture
def scores(tasks):
    return made_up_scores(tasks)


def test_label_sets_have_the_most_probable_label_and_grow_with_coverage(scores, tasks):
    smaller = [[] for _ in SHARES]
    for coverage in (0.1, 0.5, 0.8, 0.9, 0.95, 0.99):
        sets = Selection.fit(scores, tasks, coverage=coverage).label_sets(tasks[0], SHARES)
        for row, (few, many) in enumerate(zip(smaller, sets, strict=True)):
            assert many[: len(few)] == few
            assert many[0] == tasks[0].labels[SHARES[row].argmax()]
        smaller = sets
    assert {len(labels) for labels in smaller} == {1, 2, 3}


def test_label_sets_are_the_classes_that_are_probable_enough(scores, tasks):
    selection = Selection.fit(scores, tasks, coverage=0.9)
    least = selection.least_in_set["category"]
    sets = selection.label_sets(tasks[0], SHARES)
    expected = [{label for label, share in zip(tasks[0].labels, row, strict=True) if share >= least} for row in SHARES]
    assert [set(labels) for labels, known in zip(sets, expected, strict=True) if known] == [*filter(None, expected)]
    assert [len(labels) for labels in sets] == selection.set_sizes(tasks[0], SHARES).tolist()


def test_answers_are_fewer_the_more_accurate_they_shall_be(scores, tasks):
    answered = [Selection.fit(scores, tasks, accuracy=level).answered(tasks[0], SHARES) for level in (0.9, 0.95, 0.97)]
    for more, fewer in pairwise(answered):
        assert (fewer <= more).all()
        assert fewer.sum() < more.sum()


def test_selection_leaves_other_tasks_alone(scores, tasks):
    selection = Selection.fit(scores, tasks, accuracy={"sentiment": 0.9})
    assert selection.concerns(tasks[1])
    assert not selection.concerns(tasks[0])
    assert selection.answered(tasks[0], SHARES).all()
    assert Selection.fit({}, tasks).answered(tasks[0], SHARES).all()


@pytest.mark.parametrize("value", [0, 1, 2, -0.5, math.nan, math.inf, "x", "0.9", True, [0.9], 10**400])
@pytest.mark.parametrize("name", ["coverage", "accuracy"])
def test_selection_refuses_a_share_that_is_none(scores, tasks, name, value):
    for wanted, key in ((value, name), ({"category": value}, f"{name}.category")):
        with pytest.raises(UserError) as caught:
            Selection.fit(scores, tasks, **{name: wanted})
        assert str(caught.value) == f"{key}: {value!r} given; it must be above 0 and below 1"


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ({"coverage": 0.9, "accuracy": 0.9}, "coverage and accuracy: both given; set one of them"),
        ({"coverage": {"mood": 0.9}}, "coverage: no task 'mood'; Valid: category, sentiment"),
        ({"coverage": 0.9999}, "coverage: 0.9999 cannot be promised for category: its 2,000 validation sentences"),
        ({"accuracy": 0.9999}, "accuracy: 0.9999 cannot be promised for category: its 2,000 validation sentences"),
        ({"accuracy": {"category": 0.998}}, "accuracy: 0.998 cannot be promised for category: of its"),
    ],
)
def test_selection_says_in_one_line_what_it_cannot_promise(scores, tasks, wanted, line):
    with pytest.raises(UserError) as caught:
        Selection.fit(scores, tasks, **wanted)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value).splitlines()) == 1


def test_selection_names_the_task_that_has_no_scores(scores, tasks):
    for name in ("coverage", "accuracy"):
        with pytest.raises(UserError, match=rf"^{name}: the model has no validation scores of sentiment, .* again$"):
            Selection.fit({"category": scores["category"]}, tasks, **{name: 0.8})
    Selection.fit({"category": scores["category"]}, tasks, coverage={"category": 0.8})


def test_check_wanted_takes_nothing_or_one_of_both():
    check_wanted(None, None)
    check_wanted(0.5, None)
    check_wanted(None, {"category": 0.5})
    with pytest.raises(UserError, match="both given"):
        check_wanted(0.5, {"category": 0.5})
