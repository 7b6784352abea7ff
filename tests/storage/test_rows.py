import pytest

from polyhead.errors import ParameterError, UserError
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import open_rows


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "a", "id": 1}\n\n{"text": "b", "id": 2}\n{"text": null}\n')
    with open_rows("a.jsonl") as reader:
        yield reader


@pytest.mark.parametrize("text", ["", "Zwölf", "two\nlines", " padded "])
def test_row_reader_returns_the_text_of_a_row_as_it_is(reader, text):
    assert reader.text_of(1, {"id": 1, "review": text}, "review") == text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": 5}, "^a.jsonl row 7: text is 5 and no text$"),
        ({"text": ["a"]}, r"^a.jsonl row 7: text is \['a'\] and no text$"),
        ({"text": b"a"}, "^a.jsonl row 7: text is b'a' and no text$"),
        ({"texts": "a", "id": 1}, "^a.jsonl row 7: no key 'text' for the text, set text .*; did you mean 'texts'"),
    ],
)
def test_row_reader_refuses_a_row_without_text_with_its_number(reader, row, message):
    with pytest.raises(UserError, match=message):
        reader.text_of(7, row, "text")


def test_row_reader_shows_the_start_of_a_long_cell(reader):
    with pytest.raises(UserError) as error:
        reader.text_of(1, {"text": list(range(10_000))}, "text")
    assert len(str(error.value)) < 150


def test_row_reader_yields_texts_until_one_is_missing(reader):
    texts = reader.texts("text")
    assert [next(texts), next(texts)] == ["a", "b"]
    with pytest.raises(UserError, match="a.jsonl row 4: the text is empty"):
        next(texts)


def test_row_reader_refuses_a_column_that_is_not_there(tmp_path):
    (tmp_path / "a.csv").write_text("id,review\n")
    with open_rows(str(tmp_path / "a.csv")) as reader:
        reader.check("review")
        with pytest.raises(
            UserError, match=r"a\.csv: no column 'reviews' for the text, set text .*did you mean 'review'"
        ):
            reader.check("reviews")


@pytest.mark.parametrize("encoding", ["klingon", "base64", "", "a\0b", "undefined"])
def test_dialect_refuses_an_unknown_encoding(encoding):
    with pytest.raises(ParameterError, match="^encoding: unknown encoding .*; utf-8 and latin-1 are common"):
        Dialect(encoding)


@pytest.mark.parametrize("quote", ["", "ab", ",", "\t", "\n"])
def test_dialect_refuses_a_quote_that_is_not_one_character(quote):
    with pytest.raises(ParameterError, match="^quote: .* given; it must be one character other than a separator"):
        Dialect(quote=quote)


def test_dialect_raises_all_problems_at_once():
    with pytest.raises(ParameterError) as error:
        Dialect("klingon", "ab")
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["encoding", "quote"]
