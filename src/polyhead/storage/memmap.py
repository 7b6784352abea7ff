"""Memory-mapped files: arrays whose numbers stay on disk until they are read. Knows nothing about their meaning."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_file(path: Path, dtype: type[Any], size: int) -> NDArray[Any]:
    """Map the first ``size`` numbers of a file as an array (size,).

    The mapping is private, because torch asks for writable memory: nothing that is written to it reaches the file.
    """
    return np.memmap(path, dtype, mode="c", shape=(size,)) if size else np.zeros(0, dtype)


def release_pages(*arrays: NDArray[Any]) -> None:
    """Give back the memory of mapped arrays; pages that are needed again are read again. Other arrays stay as they are.

    The system counts every page of a mapping that was ever touched as this process's, and maps its neighbors along
    with it, so a process that reads rows at random comes to hold the whole file.
    """
    for array in arrays:
        mapping: Any = array.base
        while isinstance(mapping, np.ndarray):  # of a view of a mapped array
            mapping = mapping.base
        if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            mapping.madvise(mmap.MADV_DONTNEED)
