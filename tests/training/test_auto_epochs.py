import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.errors import ParameterError
from polyhead.training.auto_epochs import AutoEpochs

AUTO = {"max_epochs": "auto", "check_val_every_n_epoch": "auto"}


@given(st.integers(1, 5), st.integers(1, 300), st.integers(1, 5000), st.integers(1, 4))
def test_auto_epochs_reach_both_floors_and_validate_the_last(epochs, min_steps, batches, accumulated):
    settings = {**AUTO, "accumulate_grad_batches": accumulated}
    length = AutoEpochs(epochs, min_steps).length(settings, batches)
    steps = math.ceil(batches / accumulated)
    assert length.max_epochs >= epochs
    assert length.max_epochs * steps >= min_steps
    assert length.max_epochs % length.check_val_every_n_epoch == 0
    assert length.max_epochs // length.check_val_every_n_epoch < 20
    # No epoch more than the floors and whole validations ask for.
    assert length.max_epochs < max(epochs, math.ceil(min_steps / steps)) + length.check_val_every_n_epoch


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ({"max_epochs": 7, "check_val_every_n_epoch": 2}, (7, 2)),
        ({"max_epochs": 7, "check_val_every_n_epoch": "auto"}, (7, 1)),
        ({**AUTO, "max_steps": 50}, (-1, 1)),
        ({"max_epochs": "auto", "check_val_every_n_epoch": 4}, (100, 4)),
        ({**AUTO, "accumulate_grad_batches": "x"}, (100, 10)),  # refused with the Trainer, not here
    ],
)
def test_what_is_given_is_taken(trainer, expected):
    length = AutoEpochs(epochs=3, min_steps=100).length(trainer, batches=1)
    assert (length.max_epochs, length.check_val_every_n_epoch) == expected


def test_epochs_are_those_of_the_floor_where_sentences_are_not_counted():
    assert AutoEpochs(epochs=3, min_steps=100).length(AUTO, batches=None).max_epochs == 3


def test_floors_are_1_or_more():
    with pytest.raises(ParameterError, match=r"epochs: 0 given.*\nmin_steps: -1 given"):
        AutoEpochs(epochs=0, min_steps=-1)
