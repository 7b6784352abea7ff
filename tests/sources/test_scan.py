"""A scan sees each sentence once, in order, whatever tables they lie in."""

import datasets
import numpy as np
import pandas

from polyhead.sources.records import Columns
from polyhead.sources.scan import Vocabulary, scan
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read
from polyhead.sources.tables import Table
from polyhead.storage.dialect import Dialect

COLUMNS = Columns("text", {"tone": "tone"})


def table(texts, labels):
    rows = datasets.Dataset.from_dict({"text": texts, "tone": labels})
    return Table("made", rows, {"text": "text", "tone": "tone"}, "")


def test_scan_gives_equal_texts_one_hash_and_equal_labels_one_code():
    vocabulary = Vocabulary()
    tables = [table(["a", " b ", "a"], ["x", "y", None]), table(["b", "c"], ["y", "x"])]
    found = scan(tables, {"tone": vocabulary})
    assert len(found) == 5
    assert found.texts[0] == found.texts[2]
    assert found.texts[1] == found.texts[3]
    assert len(set(found.texts.tolist())) == 3
    assert found.codes["tone"].tolist() == [0, 1, -1, 1, 0]
    assert list(vocabulary.codes) == ["x", "y"]
    assert [found.place(i) for i in (2, 3)] == ["made row 3", "made row 1"]


def test_scan_places_name_the_rows_of_a_file_together():
    one, other = table(["a", "b"], ["x", "x"]), table(["c"], ["x"])
    other.name = "other"
    found = scan([one, other], {"tone": Vocabulary()})
    assert found.places([0, 1, 2]) == "made rows 1, 2, other row 1"


def test_scan_gives_a_file_without_labels_none():
    bare = Table("bare", datasets.Dataset.from_dict({"text": ["a", "b"]}), {"text": "text"}, "")
    assert scan([bare, table(["c"], ["x"])], {"tone": Vocabulary()}).codes["tone"].tolist() == [-1, -1, 0]


def test_scan_notes_empty_texts_damaged_characters_and_blank_lines(tmp_path):
    (tmp_path / "a.csv").write_text("text,tone\na,x\n\n\n ,y\nc\ufffd,x\n")
    found = scan(
        [read(tmp_path / "a.csv", COLUMNS, Dialect(), TableCache(str(tmp_path / "cache"), 1))], {"tone": Vocabulary()}
    )
    assert (found.empty, found.damaged) == ([1], [2])
    assert found.blank == {str(tmp_path / "a.csv"): 2}
    assert found.place(1) == f"{tmp_path / 'a.csv'} row 5"


def test_scan_sees_the_chunks_of_a_large_file_in_order(tmp_path):
    texts = [f"sentence {i}" for i in range(20_000)]
    pandas.DataFrame({"text": texts, "tone": [str(i % 7) for i in range(20_000)]}).to_parquet(tmp_path / "a.parquet")
    large = read(tmp_path / "a.parquet", COLUMNS, Dialect(), TableCache(str(tmp_path / "cache"), 1))
    found = scan([large], {"tone": Vocabulary()})
    assert found.texts.tolist() == [hash(text) for text in texts]
    assert found.codes["tone"].tolist() == [i % 7 for i in range(20_000)]
    assert [text for chunk in large.chunks() for text in chunk["text"].to_pylist()] == texts


def test_vocabulary_sorts_labels_and_numbers_as_numbers():
    vocabulary = Vocabulary()
    codes = np.array(vocabulary.to_codes(["10", "9", None, "1"]))
    assert codes.tolist() == [0, 1, -1, 2]
    assert vocabulary.used(codes) == ["1", "9", "10"]
    assert vocabulary.used(codes[:2]) == ["9", "10"]
    words = Vocabulary()
    assert words.used(np.array(words.to_codes(["b", "a", "b"]))) == ["a", "b"]
