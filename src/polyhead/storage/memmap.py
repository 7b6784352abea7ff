"""Mapped: arrays whose numbers stay in a file until they are read. Knows nothing about what they mean."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_file(path: Path, dtype: type[Any], size: int) -> NDArray[Any]:
    """Map the first ``size`` numbers of a file.

    The mapping is private: torch wants memory that could be written to, and the file is never changed through it.
    """
    return np.memmap(path, dtype, mode="c", shape=(size,)) if size else np.zeros(0, dtype)


def release_pages(*arrays: NDArray[Any]) -> None:
    """Give back the memory of mapped files; what is needed again is read again. Other arrays stay as they are.

    The system counts every page of a mapping that was ever touched as this process's, and with each it maps those
    around it, so reading rows at random comes to hold the whole file.
    """
    for array in arrays:
        mapping: Any = array.base
        if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            mapping.madvise(mmap.MADV_DONTNEED)
