"""The activation cache: outputs of frozen layers on disk. Knows nothing about tasks, heads or trainers.

Frozen layers give the same activations in every epoch, and in every run that shares them: they are computed once, kept
on disk and memory-mapped. An entry is named by a digest of everything that decides its content.
"""

import hashlib
import json
import logging
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.storage.cache import Cache, Description, mark_used, read_description
from polyhead.storage.memmap import map_file, release_pages
from polyhead.storage.output import write_atomically
from polyhead.storage.partials import remove
from polyhead.storage.turns import turn

log = logging.getLogger(__name__)

Fill = Callable[[Tensor], None]
"""Writes the content of an entry into an array of its shape."""

Digestible = bytes | str | NDArray[np.generic] | Tensor

_FORMAT = 1  # part of every digest: entries of another layout are not found
_FOOTER = 256  # bytes after the data: shape, type and checksum as JSON, filled up with spaces
_PIECE = 2**22  # numbers hashed at a time: a mapped file need not be in memory all at once


def digest(parts: Iterable[Digestible]) -> str:
    """Return the SHA-256 digest of all parts in their order, the shapes and types of arrays included."""
    total = hashlib.sha256(str(_FORMAT).encode())
    for part in parts:
        for piece in _pieces(part):
            total.update(piece)
        total.update(b"|")
    return total.hexdigest()


def _pieces(part: Digestible) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a part, of arrays after their type and shape."""
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, str):
        yield part.encode()
    else:
        yield f"{part.dtype}{tuple(part.shape)}".encode()
        # Tensors byte by byte: numpy has no bfloat16.
        array = part.detach().cpu().reshape(-1).view(torch.uint8).numpy() if isinstance(part, Tensor) else part
        flat = np.ascontiguousarray(array).reshape(-1)
        for start in range(0, len(flat), _PIECE):
            yield flat[start : start + _PIECE].data
            release_pages(array)


@dataclass(frozen=True)
class ActivationCache(Cache):
    """Arrays on disk, each named by the digest of what it was computed from.

    Attributes:
        counts: how many entries were ``reused`` and ``computed`` so far; one that is read again counts once.
    """

    name: ClassVar[str] = "activations"
    stamp: ClassVar[str] = "*.bin"
    counts: Counter[str] = field(default_factory=Counter, init=False, compare=False)
    _counted: set[str] = field(default_factory=set, init=False, compare=False, repr=False)

    def entry_of(self, stamp: Path) -> Path:
        """Return the entry that a stamp belongs to: the stamp itself."""
        return stamp

    def describe(self, entry: Path) -> Description:
        """Return what an entry was made of; nothing where that is not known."""
        return read_description(_description_of(entry))

    def remove(self, entry: Path) -> None:
        """Remove an entry and its description."""
        remove(_description_of(entry))
        remove(entry)

    def get(
        self,
        key: str,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        compute: Fill,
        description: Description | None = None,
    ) -> Tensor | None:
        """Return an entry as a tensor on mapped memory; if it is missing or damaged, compute it first.

        Args:
            key: digest of everything that the content depends on.
            shape: of the array.
            dtype: of the array.
            compute: fills an array of that shape.
            description: of the content, for a person.

        Returns:
            The array, which is read-only by convention: changes to it do not reach the disk. None if it cannot be
            stored (a full disk, or over the limit), with one line in the log.
        """
        self.remove_abandoned()
        path = self.path / f"{key}.bin"
        stored = self._reuse(path, shape, dtype)
        if stored is None:
            with turn(path.with_suffix(".lock"), self.name):
                stored = self._reuse(path, shape, dtype)  # another process may have made it meanwhile
                if stored is None and self._make(path, shape, dtype, compute, description or {}):
                    stored = _read(path, shape, dtype)
        return stored

    def _reuse(self, path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
        stored = _read(path, shape, dtype)
        if stored is not None:
            self._count(path.stem, "reused")
        return stored

    def _make(
        self, path: Path, shape: tuple[int, ...], dtype: torch.dtype, compute: Fill, description: Description
    ) -> bool:
        """Compute an entry and write it; return whether it could be written."""
        if path.exists():
            log.warning("activation cache: %s is damaged; computing it again", path)
        try:
            self._store(path, shape, dtype, compute)
            with write_atomically(_description_of(path)) as partial:
                partial.write_text(json.dumps(description) + "\n", encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            log.warning("activation cache: %s cannot keep it (%s); continuing without", self.path, reason)
            return False
        self._count(path.stem, "computed")
        return True

    def _count(self, key: str, how: str) -> None:
        if key not in self._counted:
            self._counted.add(key)
            self.counts[how] += 1

    def _store(self, path: Path, shape: tuple[int, ...], dtype: torch.dtype, compute: Fill) -> None:
        size = _bytes(shape, dtype)
        if size > self.limit_gb * 1e9:
            raise OSError(f"{size / 1e9:.1f} GB needed, limit_gb is {self.limit_gb:g}")
        self.path.mkdir(parents=True, exist_ok=True)
        self.evict(size)
        _write(path, shape, dtype, compute)


def _read(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
    """Map an entry; return None if it is not there, or not what it should be."""
    size = _bytes(shape, dtype)
    try:
        with path.open("rb") as file:
            file.seek(-_FOOTER, os.SEEK_END)
            footer = json.loads(file.read())
        data = map_file(path, np.uint8, size)
        if footer != _footer(shape, dtype, data):
            return None
        mark_used(path)
    except (OSError, ValueError):
        return None
    return torch.from_numpy(data).view(dtype).reshape(shape)


def _write(path: Path, shape: tuple[int, ...], dtype: torch.dtype, compute: Fill) -> None:
    """Write an entry whole or not at all; until then readers see the old one, or none."""
    size = _bytes(shape, dtype)
    with write_atomically(path) as partial, partial.open("w+b") as file:
        # Taking the space first makes a full disk an error here; writing to a mapping would kill the process.
        os.posix_fallocate(file.fileno(), 0, size + _FOOTER)
        data = np.memmap(file, np.uint8, mode="r+", shape=(size,))
        compute(torch.from_numpy(data).view(dtype).reshape(shape))
        data.flush()
        file.seek(size)
        file.write(json.dumps(_footer(shape, dtype, data)).ljust(_FOOTER).encode())


def _description_of(entry: Path) -> Path:
    return entry.with_suffix(".json")


def _bytes(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    return prod(shape) * dtype.itemsize


def _footer(shape: tuple[int, ...], dtype: torch.dtype, data: NDArray[np.uint8]) -> dict[str, object]:
    return {"shape": list(shape), "dtype": str(dtype), "crc32": zlib.crc32(data.data)}
