"""Which columns of a frame training reads, and which of them it must have."""

import pytest

from polyhead.app.api.asked_columns import ask_columns, listed


def test_columns_of_texts_labels_and_what_else_is_named_are_needed():
    asked = ask_columns(["title", "body"], ["stars", {"tone": ["dry", "warm"]}], {"tone": "mood"}, ["trust", None])
    assert asked == (["title", "body"], ["title", "body", "stars", "mood", "trust"], asked.needed)


@pytest.mark.parametrize("definition", ["contrastive", {"kind": "contrastive", "scale": 10}])
def test_column_is_not_needed_where_each_pair_counts_without_it(definition):
    tasks = listed({"match": definition, "tone": None})
    assert ask_columns(None, tasks, {}, ["other"]) == (
        ["text"],
        ["text", "tone", "other"],
        ["text", "tone", "other", "match"],
    )
    assert "own" in ask_columns(None, tasks, {"match": "own"}, ["other"]).needed
