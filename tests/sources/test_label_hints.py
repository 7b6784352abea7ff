"""Classes that a person would ask about are named in a line each, and those that nobody would are not."""

import pytest

from polyhead.sources.label_hints import LabelHints, spelling


def hints(*labels, missing_values=None, max_examples=3, has_kind=False):
    counts = {label: number for number, label in enumerate(labels, start=1)}
    return list(LabelHints("mood", counts, "row of {}".format, max_examples).lines(missing_values, has_kind))


@pytest.mark.parametrize(
    "labels",
    [
        ["Positive", "positive", "POSITIVE"],
        ["very good", "very  good", "very\u00a0good"],
        ["café", "cafe\u0301"],
        ["1", "1.0", "01"],
        ["True", "true", "1"],
        ["ﬁne", "fine"],
        ["straße", "STRASSE"],
    ],
)
def test_spelling_is_equal_for_labels_that_a_person_takes_for_the_same(labels):
    assert len({spelling(label) for label in labels}) == 1
    (line,) = hints(*labels, "another")
    assert line.startswith("mood: classes that differ in case, spaces, Unicode form or the form of a number alone: ")
    assert line.endswith("write what is one class in one way")


def test_spellings_are_counted_with_their_first_row_and_told_apart_where_they_look_alike():
    (line,) = hints("good", "Good", "bad", "caf\u00e9", "cafe\u0301", max_examples=1)
    assert "alone: 'good' 1 (row of good) and 'Good' 2 (row of Good); and 1 more; each" in line
    (line,) = hints("caf\u00e9", "cafe\u0301")
    assert r"'caf\xe9' 1" in line
    assert r"'cafe\u0301' 2" in line


@pytest.mark.parametrize(
    "labels",
    [
        ["Neutral", "Positive", "Negative"],
        ["0", "1"],
        ["ABBR", "DESC", "ENTY"],
        ["yes, really", "no, really"],
        ["C++", "C", "Java"],
        [str(number) for number in range(77)],
        ["\u00e4", "a"],
    ],
)
def test_hints_are_none_for_common_classes(labels):
    assert hints(*labels) == []


@pytest.mark.parametrize("label", ["nan", "None", "NULL", "N/A", "-"])
def test_hint_names_a_class_that_may_mean_no_label(label):
    (line,) = hints("good", label)
    assert f"set 'data.missing_values=[\"{label}\"]'" in line
    assert hints("good", label, missing_values=[]) == []


def test_hint_names_classes_made_of_others():
    (line,) = hints("food", "price", "food,price", "food, price,staff", "staff")
    assert line.startswith("mood: 'food,price' 3 (row of food,price), 'food, price,staff' 4")
    assert "'tasks=[{mood: multi_label}]'" in line


@pytest.mark.parametrize("labels", [[f"0.{n}" for n in range(10, 30)], [str(n * n) for n in range(30)]])
def test_hint_names_numbers_that_look_measured(labels):
    (line,) = hints(*labels)
    assert "regression target" in line


@pytest.mark.parametrize("labels", ["12345", ["-1", "0", "1"], ["1.0", "2.0", "3.0"]])
def test_hint_names_the_points_of_a_scale(labels):
    (line,) = hints(*labels)
    assert "where they are a scale, their order is not used" in line
    assert hints(*labels, has_kind=True) == []


def test_hints_shorten_a_sentence_that_stands_where_a_label_should():
    (line,) = hints("x" * 500, "X" * 500)
    assert len(line) < 1400
