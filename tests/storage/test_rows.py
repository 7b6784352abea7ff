import pytest

from polyhead.errors import UserError
from polyhead.storage.rows import text_of


@pytest.mark.parametrize("text", ["", "Zwölf", "two\nlines"])
def test_the_text_of_a_row_is_what_stands_there(text):
    assert text_of({"id": 1, "review": text}, "review", 1) == text


@pytest.mark.parametrize("value", [None, 5, ["a"], b"a"])
def test_what_is_no_text_is_told_with_its_row(value):
    with pytest.raises(UserError, match="input: row 7 has no text but .* in the column 'text'"):
        text_of({"text": value}, "text", 7)
    with pytest.raises(UserError, match="text: row 7 has no column 'review'; it has text, id: set text=COLUMN"):
        text_of({"text": value, "id": 1}, "review", 7)
