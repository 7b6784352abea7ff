"""Texts that a person takes for the same fold to one, and others do not."""

import pytest

from polyhead.sources.folding import fold


@pytest.mark.parametrize(
    "other", ["THE END.", " the  end.", "the\nend.", "the\u00a0end.", "\uff34he end\uff0e", "\u2003the\u2009end. "]
)
def test_fold_is_equal_for_case_spaces_and_forms(other):
    assert fold(other) == fold("The end.") == "the end."


@pytest.mark.parametrize("other", ["The end", "The end!", "Theend.", "Thé end."])
def test_fold_keeps_letters_signs_and_words_apart(other):
    assert fold(other) != fold("The end.")


def test_fold_is_idempotent_and_empty_for_blank_texts():
    for text in ("Straße", "ﬁ", "İ", "\u1e9e", "ΑΣ", "e\u0301\u0327"):
        assert fold(fold(text)) == fold(text)
    assert [fold(text) for text in ("", " \t\n", "\u3000")] == ["", "", ""]
