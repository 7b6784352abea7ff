"""Made-up sentences have a second one beside them where labels of two are asked for; the first stay as they are."""

from itertools import islice
from random import Random

import pytest

from polyhead.errors import UserError
from polyhead.sources.base import second_text
from polyhead.sources.synthetic.corpus import CATEGORIES, SENTIMENTS, TOPICS, HypotheticalCorpus
from polyhead.sources.synthetic.extras import PAIR_EXTRAS, pair_cell, partner


def corpus(extra=(), size=600):
    sizes = {"train": size, "validation": 200, "test": 200}
    return HypotheticalCorpus(sizes, 0, label_noise=0.1, imbalance=2.0, correlation=0.3, missing=0.2, extra=extra)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_second_sentences_leave_the_first_and_their_labels_as_they_are(split):
    plain, paired = (list(corpus(extra).sentences(split)) for extra in ((), PAIR_EXTRAS))
    assert [row.text for row in plain] == [row.text for row in paired]
    for ours, theirs in zip(paired, plain, strict=True):
        assert {name: ours.labels[name] for name in theirs.labels} == theirs.labels
        assert second_text(theirs) is None
        assert second_text(ours)


def test_second_sentences_are_the_same_each_time_and_a_smaller_split_begins_a_larger_one():
    large = list(corpus(["alike"]).sentences("train"))
    assert large == list(corpus(["alike"]).sentences("train"))
    assert large[:100] == list(corpus(["alike"], size=100).sentences("train"))


def test_second_sentences_of_held_out_splits_are_no_training_sentences():
    texts = {
        split: set(map(second_text, corpus(["same"]).sentences(split))) for split in ("train", "validation", "test")
    }
    assert not texts["train"] & (texts["validation"] | texts["test"])
    assert not texts["validation"] & texts["test"]


def test_labels_of_pairs_say_the_same_in_three_ways():
    rows = list(islice(corpus(PAIR_EXTRAS).sentences("validation"), 200))
    found = {(row.labels["alike"], row.labels["same"], row.labels["relation"]) for row in rows}
    assert found == {("0", None, "apart"), ("1", None, "near"), ("2", None, "near"), ("3", "1", "same")}
    assert 50 < sum(row.labels["same"] == "1" for row in rows) < 110  # a third, and some by chance


def test_partner_shares_what_its_cell_says():
    cell, generator = (CATEGORIES[0], SENTIMENTS[0], TOPICS[0]), Random(0)
    cells = [(category, sentiment, topic) for category in CATEGORIES for sentiment in SENTIMENTS for topic in TOPICS]
    for _ in range(50):
        other = partner(cell, cells, generator)
        assert pair_cell("alike", cell, other) == str(sum(map(str.__eq__, cell, other)))


def test_tasks_about_two_sentences_are_asked_for_by_name():
    with pytest.raises(UserError, match=r"the hypothetical sentences know no 'alike'; set data.extra=\[alike\]"):
        corpus().find_labels(["alike"])
    assert corpus(["relation"]).find_labels(["relation"]) == {"relation": ("apart", "near", "same")}
