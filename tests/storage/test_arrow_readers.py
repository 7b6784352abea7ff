import random
from contextlib import suppress

import pyarrow
import pytest
from pyarrow import parquet

from polyhead.errors import UserError
from polyhead.storage.row_readers import open_rows

ROWS = [{"text": 'A "quoted", one\nover two lines', "id": 1}, {"text": "", "id": 2}, {"text": "Zwölf 🙂", "id": None}]


def write(tmp_path, table):
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(table) if isinstance(table, list) else pyarrow.table(table), path)
    return path


def unchecked(cells):
    """Make an array of bytes that claim to be text, as any writer of Parquet can."""
    return pyarrow.Array.from_buffers(pyarrow.string(), len(cells), pyarrow.array(cells).buffers())


def test_parquet_rows_are_those_written_counted_from_one(tmp_path):
    with open_rows(write(tmp_path, ROWS)) as reader:
        assert list(reader) == list(enumerate(ROWS, start=1))
        assert 0 < reader.position <= reader.size
        assert len(reader) == 3


def test_parquet_rows_know_their_columns_and_types(tmp_path):
    with open_rows(write(tmp_path, ROWS)) as reader:
        assert reader.columns == ["text", "id"]
        assert reader.schema.field("id").type == pyarrow.int64()
        reader.check("text")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("id", "the column 'id' holds int64; the text must be text"),
        ("texts", "no column 'texts' for the text, set text .*; did you mean 'text'"),
    ],
)
def test_parquet_rows_refuse_a_column_without_texts(tmp_path, column, message):
    with open_rows(write(tmp_path, ROWS)) as reader, pytest.raises(UserError, match=message):
        reader.check(column)


def test_parquet_rows_refuse_two_columns_of_one_name(tmp_path):
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    parquet.write_table(table, tmp_path / "a.parquet")
    with (
        open_rows(str(tmp_path / "a.parquet")) as reader,
        pytest.raises(UserError, match="'text' stands there twice; rename one"),
    ):
        reader.check("text")


def test_parquet_rows_name_the_row_and_column_of_bytes_that_are_no_text(tmp_path):
    path = write(tmp_path, {"id": [1, 2, 3], "text": unchecked([b"a", b"caf\xe9", b"c"])})
    with open_rows(path) as reader:
        rows = iter(reader)
        assert next(rows) == (1, {"id": 1, "text": "a"})
        with pytest.raises(UserError, match=r"a\.parquet row 2: text is b'caf\\xe9'; it must be text in UTF-8"):
            next(rows)


def test_parquet_rows_refuse_a_file_of_another_kind(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(UserError, match=r"a\.parquet: no Parquet file"):
        open_rows(str(tmp_path / "a.parquet"))


def test_parquet_rows_survive_damage_or_refuse_it(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": [f"text {i}" for i in range(500)]}), path)
    good, chance = path.read_bytes(), random.Random(0)
    for _ in range(100):
        damaged = bytearray(good)
        for _ in range(3):
            damaged[chance.randrange(len(good))] = chance.randrange(256)
        path.write_bytes(damaged)
        with suppress(UserError), open_rows(str(path)) as reader:
            list(reader)
