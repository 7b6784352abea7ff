"""Mapped numbers are those of the file, and stay in memory only until they are released."""

import sys
from pathlib import Path

import numpy as np
import pytest

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.storage.memmap import map_file, release_pages

NUMBERS = 25_000_000  # of 4 bytes each


def held():
    """Bytes of files that are mapped into this process and in memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile:"))


@pytest.fixture
def numbers(tmp_path):
    np.arange(NUMBERS, dtype=np.int32).tofile(tmp_path / "numbers")
    return map_file(tmp_path / "numbers", np.int32, NUMBERS)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is held")
def test_release_pages_gives_memory_back_and_the_numbers_stay(numbers):
    before, total = held(), int(numbers.sum(dtype=np.int64))
    assert held() > before + 80_000_000
    release_pages(numbers)
    assert held() < before + 40_000_000
    assert int(numbers.sum(dtype=np.int64)) == total == NUMBERS * (NUMBERS - 1) // 2


def test_release_pages_leaves_an_array_in_memory_alone():
    array = np.arange(5)
    release_pages(array)
    release_pages(array[1:3])
    assert array.tolist() == [0, 1, 2, 3, 4]


def test_map_file_maps_no_numbers_of_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    assert map_file(tmp_path / "empty", np.int32, 0).shape == (0,)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is held")
def test_tokenized_split_does_not_come_to_hold_its_file_by_random_batches(numbers):
    offsets = np.arange(0, NUMBERS + 1, 10)
    sentences = TokenizedSentences(numbers, offsets, {"tone": np.zeros(len(offsets) - 1, np.int32)})
    split = TokenizedSplit(sentences, padding=0)
    order = np.random.default_rng(0).permutation(len(split))[:32_000].reshape(-1, 32)
    before = held()
    for rows in order:
        batch = split[rows.tolist()]
        assert held() < before + 40_000_000
        assert (batch.input_ids[:, 0].numpy() == rows * 10).all()
