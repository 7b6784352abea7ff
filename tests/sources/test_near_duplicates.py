"""Sentences that differ in a few characters are found across splits, and others are not."""

import random
from itertools import pairwise

import datasets
import numpy as np

from polyhead.sources.folding import fold
from polyhead.sources.near_duplicates import Kept, find_near, near_duplicate_lines, signatures
from polyhead.sources.scan import scan
from polyhead.sources.tables import Table

CHANCE = random.Random(0)
WORDS = ["".join(CHANCE.choices("abcdefghijklmnoprstuvw", k=CHANCE.randint(3, 9))) for _ in range(500)]
TEXTS = [" ".join(CHANCE.choices(WORDS, k=15)) for _ in range(200)]


def jaccard(one, two):
    first, second = ({fold(text)[i : i + 5] for i in range(len(fold(text)) - 4)} for text in (one, two))
    return len(first & second) / len(first | second)


def test_signatures_agree_in_the_share_of_common_grams():
    pairs = [(text, f"{text[:60]} {other[60:]}") for text, other in pairwise(TEXTS)]
    found = [(signatures([one]) == signatures([two])).mean() for one, two in pairs]
    exact = [jaccard(one, two) for one, two in pairs]
    assert abs(np.mean(found) - np.mean(exact)) < 0.01
    assert max(np.abs(np.subtract(found, exact))) < 0.25  # 64 functions: a standard error of 0.06


def test_find_near_finds_texts_with_a_changed_word_and_no_others():
    near = [f"{text.upper()} indeed" for text in TEXTS[:20]]
    others = [" ".join(CHANCE.choices(WORDS, k=15)) for _ in range(100)]
    assert find_near(signatures(TEXTS), signatures([*near, *others])) == {row: row for row in range(20)}


def test_find_near_takes_texts_shorter_than_a_gram():
    assert find_near(signatures(["ok", "no", ""]), signatures(["OK", "why"])) == {0: 0}


def test_near_duplicate_lines_count_what_is_kept():
    def kept(name, texts, rows):
        table = Table(name, datasets.Dataset.from_dict({"text": texts}), {"text": "text"}, name)
        mask = np.zeros(len(texts), dtype=np.bool_)
        mask[rows] = True
        return Kept(scan([table], {}), mask)

    train = kept("train", TEXTS, range(100))
    test = kept("test", [f"{text}!" for text in TEXTS], [3, 7, 150])
    (line,) = near_duplicate_lines({"train": train, "test": test}, 1)
    assert line.startswith("2 of 3 test sentences nearly stand in train (80% or more")
    assert line.endswith(": test row 4 is near train row 4")
