import numpy as np
import pytest

from polyhead.sources.holdout import choose_folds, choose_holdout, choose_some, explain_share

CLASSES = np.repeat([0, 1, 2, 3], [600, 300, 90, 1])
TEXTS = np.random.default_rng(0).permutation(len(CLASSES)).astype(np.int64)
RANDOM = np.random.default_rng(1)


def worst_error(held, labels, share):
    """Return by how many sentences the class farthest from its share is off."""
    errors = [np.bincount(column[held] + 1, minlength=column.max() + 2) for column in labels]
    wanted = [share * np.bincount(column + 1, minlength=column.max() + 2) for column in labels]
    return max(np.abs(got - exact).max() for got, exact in zip(errors, wanted, strict=True))


def test_choose_holdout_takes_the_share_of_each_class():
    held = choose_holdout(TEXTS, [CLASSES], 0.1, seed=0)
    assert np.bincount(CLASSES[held], minlength=4).tolist() == [60, 30, 9, 0]


def test_choose_holdout_follows_from_the_seed_alone():
    held = choose_holdout(TEXTS, [CLASSES], 0.1, seed=0)
    other_hashes = choose_holdout(TEXTS * 7919 % 1_000_003, [CLASSES], 0.1, seed=0)
    assert (held == other_hashes).all()
    assert (held != choose_holdout(TEXTS, [CLASSES], 0.1, seed=1)).any()


def test_choose_holdout_keeps_equal_texts_together():
    texts = np.repeat(np.arange(50), 4)
    held = choose_holdout(texts, [np.tile([0, 1, 2, 3], 50)], 0.5, seed=0)
    assert (held.reshape(50, 4) == held.reshape(50, 4)[:, :1]).all()
    assert held.sum() == 100


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
@pytest.mark.parametrize(
    "labels",
    [
        [RANDOM.integers(0, 2, 160) for _ in range(30)],
        [RANDOM.integers(0, 20, 2000) for _ in range(2)],
        [np.repeat(np.arange(1200), 3)],
        [RANDOM.integers(0, 12, 600) for _ in range(3)],
        [(RANDOM.random(2000) < p).astype(int) for p in np.linspace(0.01, 0.5, 30)],
        [np.where(RANDOM.random(1000) < 0.9, -1, RANDOM.integers(0, 3, 1000)), RANDOM.integers(0, 3, 1000)],
    ],
    ids=["30 tasks", "400 combinations", "1,200 classes", "3 tasks", "rare classes", "missing labels"],
)
def test_choose_holdout_keeps_the_share_of_all_and_of_each_class_however_many_combinations(labels, share):
    count = len(labels[0])
    held = choose_holdout(np.arange(count), labels, share, seed=0)
    assert abs(held.sum() - share * count) <= 1
    assert worst_error(held, labels, share) <= (1 if len(labels) == 1 else 4)
    at_random = np.random.default_rng(0).permutation(count) < share * count
    assert worst_error(held, labels, share) < worst_error(at_random, labels, share)
    for column in labels:
        assert {*column[~held]} == {*column}  # every class is trained


def test_choose_holdout_leaves_a_class_of_one_text_to_training_and_takes_its_share_from_others():
    labels = np.concatenate([np.arange(50), np.full(150, 50)])
    held = choose_holdout(np.arange(200), [labels], 0.1, seed=0)
    assert not held[:50].any()
    assert held.sum() == 20
    assert not choose_holdout(np.arange(50), [labels[:50]], 0.1, seed=0).any()


def test_choose_holdout_gives_each_task_a_labelled_text_where_a_class_has_two():
    rare = np.full(1000, -1)
    rare[[5, 700]] = 0
    held = choose_holdout(np.arange(1000), [np.arange(1000) % 2, rare], 0.1, seed=0)
    assert (rare[held] == 0).sum() == 1
    assert choose_holdout(np.arange(4), [np.array([0, 0, 1, 1])], 0.001, seed=0).sum() == 1


def test_explain_share_gives_the_reason_where_the_share_is_not_kept():
    assert explain_share(np.arange(100), 11, 0.1) == ""
    assert explain_share(np.arange(100), 0, 0.1) == "not 10: each class keeps one, and each task gives one"
    assert explain_share(np.repeat(np.arange(10), 10), 20, 0.1) == "not 10: equal texts stay together"


@pytest.mark.slow
def test_choose_holdout_splits_a_million_texts_in_seconds():
    labels = [RANDOM.integers(0, count, 1_000_000) for count in (6, 3)]
    held = choose_holdout(np.arange(1_000_000), labels, 0.1, seed=0)
    assert worst_error(held, labels, 0.1) <= 2


def test_choose_folds_divides_all_and_each_class_of_each_task_evenly():
    labels = [RANDOM.integers(0, 5, 1000), RANDOM.integers(0, 3, 1000)]
    fold = choose_folds(np.arange(1000), labels, 5, seed=0)
    assert np.ptp(np.bincount(fold)) <= 3
    for column in labels:
        counts = np.stack([np.bincount(column[fold == number]) for number in range(5)])
        assert np.ptp(counts, axis=0).max() <= 5
    assert (fold == choose_folds(np.arange(1000) * 3, labels, 5, seed=0)).all()
    pairs = choose_folds(np.repeat(np.arange(50), 2), [np.repeat(np.arange(50) % 2, 2)], 5, seed=0)
    assert (pairs[::2] == pairs[1::2]).all()


@pytest.mark.parametrize("limit", [8, 50, 400, 991])
def test_choose_some_takes_as_many_as_asked_and_loses_no_class(limit):
    tasks = [CLASSES, np.where(np.arange(len(CLASSES)) == 77, 0, -1)]  # one of them with one label
    chosen = choose_some(len(CLASSES), tasks, limit, seed=0)
    assert chosen.sum() == limit
    assert (np.bincount(CLASSES[chosen], minlength=4) > 0).all()
    assert chosen[77]
    assert worst_error(chosen, [CLASSES], limit / len(CLASSES)) <= 2


def test_choose_some_keeps_as_many_classes_and_tasks_as_fit():
    classes = np.arange(100) % 50
    rare = np.where(np.arange(100) == 3, 0, -1)
    for limit in (50, 10, 1):
        chosen = choose_some(100, [classes, rare], limit, seed=0)
        assert chosen.sum() == limit == len(np.unique(classes[chosen]))
        assert chosen[3]
    assert choose_some(5, [], 2, seed=0).sum() == 2


def test_choose_some_follows_from_the_seed_alone():
    chosen = [choose_some(len(CLASSES), [CLASSES], 60, seed) for seed in (0, 0, 1)]
    assert (chosen[0] == chosen[1]).all()
    assert (chosen[0] != chosen[2]).any()
