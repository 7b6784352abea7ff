"""Labels are judged of tasks about one text alone."""

import pytest
from support.kinds import PAIR_TASKS

from polyhead.app.jobs.label import _check_kinds
from polyhead.errors import UserError


def test_label_refuses_tasks_about_two_texts():
    _check_kinds(PAIR_TASKS[:1])
    named = "alike is similarity, answers is contrastive, relation is entailment"
    with pytest.raises(
        UserError, match=f"^task: labels are judged of single_label tasks, and {named}; name one by task="
    ):
        _check_kinds(PAIR_TASKS)
