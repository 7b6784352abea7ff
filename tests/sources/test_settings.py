import pytest

from polyhead.errors import ParameterError
from polyhead.sources.settings import SplitSettings, unknown_splits

SETTINGS = {
    "holdout": {"validation": 0.2, "test": 0.1},
    "seed": 0,
    "drop_test_duplicates": False,
    "min_class_count": 0,
    "max_examples": 3,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"holdout": {"validation": 0.6}}, "^holdout.validation: 0.6 given"),
        ({"holdout": {"train": 0.1}}, "^holdout.train"),
        ({"seed": -1}, "^seed: -1 given"),
        ({"max_examples": 0}, "^max_examples: 0 given"),
        ({"min_class_count": -2}, "^min_class_count: -2 given"),
        ({"folds": 1}, "^folds: 1 given; it must be 2 to 100, or null"),
        ({"folds": 5, "fold": 5}, "^fold: 5 given; it must be 0 to 4, or null for all of them"),
        ({"fold": 0}, "^fold: 0 given; it must be null where folds are null"),
    ],
)
def test_split_settings_refuse_values_out_of_range(wrong, message):
    with pytest.raises(ParameterError, match=message):
        SplitSettings(**SETTINGS | wrong)


def test_split_settings_raise_all_problems_at_once():
    with pytest.raises(ParameterError) as caught:
        SplitSettings(**SETTINGS | {"holdout": {"validation": 0.6, "train": 0.1}, "seed": -1})
    names = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert names == ["holdout.validation", "holdout.train", "seed"]


def test_unknown_splits_are_named_with_suggestions():
    assert list(unknown_splits("files", ["train", "tset"])) == [
        "files: unknown split 'tset'; did you mean 'test'? Valid: test, train, validation"
    ]
