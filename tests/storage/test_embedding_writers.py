import numpy as np
import pytest
from pyarrow import parquet

from polyhead.errors import UserError
from polyhead.storage.embedding_writers import open_embedding_file

CHUNKS = [np.random.default_rng(i).normal(size=(rows, 5)).astype(np.float32) for i, rows in enumerate((3, 1, 1000))]


def write(path, chunks, overwrite=False):
    with open_embedding_file(path, 5, overwrite) as file:
        for chunk in chunks:
            file.append(chunk)


def fail(_):
    raise TypeError


@pytest.mark.parametrize("chunks", [CHUNKS, []])
def test_npy_file_is_read_and_mapped_by_numpy(tmp_path, chunks):
    write(tmp_path / "a.npy", chunks)
    expected = np.concatenate([np.zeros((0, 5), np.float32), *chunks])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), expected)
    if chunks:
        assert np.array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), expected)


def test_parquet_file_has_one_row_per_embedding(tmp_path):
    write(tmp_path / "a.parquet", CHUNKS)
    column = parquet.read_table(tmp_path / "a.parquet")["embedding"]
    np.testing.assert_array_equal(np.array(column.to_pylist(), dtype=np.float32), np.concatenate(CHUNKS))


@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
def test_embedding_file_leaves_the_old_one_when_writing_fails(tmp_path, name):
    (tmp_path / name).write_text("old")
    with pytest.raises(TypeError):
        write(tmp_path / name, (fail(i) if i else CHUNKS[0] for i in range(2)), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


def test_embedding_file_is_kept_unless_overwrite_is_set(tmp_path):
    write(tmp_path / "a.npy", CHUNKS)
    with pytest.raises(UserError, match="is there already.*overwrite=true"):
        write(tmp_path / "a.npy", [])
    write(tmp_path / "a.npy", CHUNKS[:1], overwrite=True)
    assert len(np.load(tmp_path / "a.npy")) == 3


@pytest.mark.parametrize(("name", "message"), [("a.csv", "must end in .npy or .parquet"), ("no/a.npy", "is not there")])
def test_embedding_file_refuses_a_wrong_name(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        open_embedding_file(tmp_path / name, 5, False)
