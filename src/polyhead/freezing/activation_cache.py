"""Features: the store of activations below the frozen boundary. Knows nothing about tasks, heads or trainers.

What is frozen gives the same activations in every epoch, and in every run that shares it: they are computed once, kept
on disk and memory-mapped. An entry is named by a digest of all that decides its content.
Shapes: N sentences, S tokens, H hidden units.
"""

import hashlib
import json
import logging
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.storage.cache import Cache
from polyhead.storage.memmap import map_file, release_pages

log = logging.getLogger(__name__)

Fill = Callable[[Tensor], None]
"""Writes the content of an entry into an array of its shape."""

_FORMAT = 1  # part of every digest: entries of another layout are simply not found
_FOOTER = 256  # bytes behind the data: shape, type and checksum as JSON, filled up with spaces
_PIECE = 2**22  # numbers hashed at a time: what is mapped need not be in memory all at once


def digest(parts: Iterable[bytes | str | NDArray[np.generic] | Tensor]) -> str:
    """Return a digest of everything given, the shapes and types of arrays included."""
    total = hashlib.sha256(str(_FORMAT).encode())
    for part in parts:
        array = part.detach().cpu().reshape(-1).view(torch.uint8).numpy() if isinstance(part, Tensor) else part
        if isinstance(part, np.ndarray | Tensor):
            total.update(f"{part.dtype}{tuple(part.shape)}".encode())
        if isinstance(array, str | bytes):
            total.update(array.encode() if isinstance(array, str) else array)
        else:
            flat = np.ascontiguousarray(array).reshape(-1)
            for start in range(0, len(flat), _PIECE):
                total.update(flat[start : start + _PIECE].data)
                release_pages(array)
        total.update(b"|")
    return total.hexdigest()


@dataclass(frozen=True)
class ActivationCache(Cache):
    """Arrays on disk, named by the digest of what they were computed from.

    Attributes:
        counts: how many entries were ``reused`` and ``computed`` so far.
    """

    name: ClassVar[str] = "features"
    stamp: ClassVar[str] = "*.bin"
    counts: Counter[str] = field(default_factory=Counter, init=False, compare=False)

    def entry_of(self, stamp: Path) -> Path:
        """Return the entry that a mark belongs to: itself."""
        return stamp

    def get(self, key: str, shape: tuple[int, ...], dtype: torch.dtype, compute: Fill) -> Tensor | None:
        """Return the entry as a tensor on mapped memory, computing it where the store lacks it.

        Args:
            key: digest of what the content depends on.
            shape: of the array.
            dtype: of the array.
            compute: fills an array of that shape.

        Returns:
            The array, not to be written to; None where it cannot be stored (a full disk, or over the limit), with one
            line in the log: the caller goes on without.
        """
        path = self.path / f"{key}.bin"
        stored = _read(path, shape, dtype)
        if stored is not None:
            self.counts["reused"] += 1
            return stored
        if path.exists():
            log.warning("features: %s is damaged; computing it again", path)
        try:
            size = prod(shape) * dtype.itemsize
            if size > self.limit_gb * 1e9:
                raise OSError(f"{size / 1e9:.1f} GB needed, features.limit_gb={self.limit_gb:g}")
            self.path.mkdir(parents=True, exist_ok=True)
            self.evict(size)
            _write(path, shape, dtype, compute)
        except OSError as error:
            log.warning("features: %s cannot be stored (%s); going on without", self.path, error.strerror or error)
            return None
        self.counts["computed"] += 1
        return _read(path, shape, dtype)


def _read(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
    """Map an entry; None if it is not there, or not what it should be."""
    size = prod(shape) * dtype.itemsize
    try:
        with path.open("rb") as file:
            file.seek(-_FOOTER, os.SEEK_END)
            footer = json.loads(file.read())
        data = map_file(path, np.uint8, size)
        if footer != _footer(shape, dtype, data):
            return None
        os.utime(path)  # used now: the last to go when room is needed
    except (OSError, ValueError):
        return None
    return torch.from_numpy(data).view(dtype).reshape(shape)


def _write(path: Path, shape: tuple[int, ...], dtype: torch.dtype, compute: Fill) -> None:
    """Write an entry whole or not at all; whoever reads meanwhile sees the old one, or none."""
    size = prod(shape) * dtype.itemsize
    descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    try:
        with os.fdopen(descriptor, "r+b") as file:
            # Taking the space first makes a full disk an error here; writing to a mapping would kill the process.
            os.posix_fallocate(file.fileno(), 0, size + _FOOTER)
            data = np.memmap(file, np.uint8, mode="r+", shape=(size,))
            compute(torch.from_numpy(data).view(dtype).reshape(shape))
            data.flush()
            file.seek(size)
            file.write(json.dumps(_footer(shape, dtype, data)).ljust(_FOOTER).encode())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _footer(shape: tuple[int, ...], dtype: torch.dtype, data: NDArray[np.uint8]) -> dict[str, object]:
    return {"shape": list(shape), "dtype": str(dtype), "crc32": zlib.crc32(data.data)}
