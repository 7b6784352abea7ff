"""Tokens: tokenised sentences as flat arrays, in memory or kept on disk. Knows nothing about text, batches or models.

Shapes: N sentences.
"""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polyhead.storage.cache import Cache
from polyhead.storage.memmap import map_file

log = logging.getLogger(__name__)

_DONE = "entry.json"


@dataclass(frozen=True)
class Tokens:
    """Token ids of sentences, and their labels.

    Args:
        ids: of all sentences, one after the other.
        offsets: where each sentence starts (N + 1,).
        labels: class index (N,) of each task.
        truncated: how many sentences were cut.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.int32]]
    truncated: int


@dataclass(frozen=True)
class Chunk:
    """Some sentences on their way into :class:`Tokens`: the same, but for the lengths (N,) in place of the offsets."""

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.int32]]
    truncated: int


def gather(chunks: Iterable[Chunk], tasks: Iterable[str]) -> Tokens:
    """Put chunks together in memory."""
    empty = np.zeros(0, dtype=np.int32)
    held = list(chunks)
    lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(chunk.lengths for chunk in held)])
    return Tokens(
        np.concatenate([empty, *(chunk.ids for chunk in held)]),
        np.cumsum(lengths),
        {task: np.concatenate([empty, *(chunk.labels[task] for chunk in held)]) for task in tasks},
        sum(chunk.truncated for chunk in held),
    )


@dataclass(frozen=True)
class TokenCache(Cache):
    """Tokens on disk, each entry a folder named by what it was made from."""

    name: ClassVar[str] = "tokens"
    stamp: ClassVar[str] = f"*/{_DONE}"

    def get(self, key: str, chunks: Callable[[], Iterable[Chunk]], tasks: Sequence[str]) -> Tokens:
        """Return the entry, memory-mapped, writing it as the chunks come where the store lacks it.

        Args:
            key: what the content depends on, as a digest.
            chunks: gives them; asked only where they are needed.
            tasks: whose labels they have.

        Returns:
            The tokens; in memory where they cannot be written (a full disk), with one line in the log.
        """
        entry = self.path / key
        stored = _read(entry, tasks)
        if stored is None:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                _write(entry, chunks(), tasks)
                self.evict(0, keep=entry)
                stored = _read(entry, tasks)
            except OSError as error:
                log.warning("tokens: %s cannot be written (%s); going on without", entry, error.strerror or error)
        return gather(chunks(), tasks) if stored is None else stored


def _read(entry: Path, tasks: Sequence[str]) -> Tokens | None:
    """Map an entry; None if it is not there, or not as long as it should be."""
    try:
        sizes = json.loads((entry / _DONE).read_text(encoding="utf-8"))
        os.utime(entry / _DONE)  # used now: the last to go when room is needed
        return Tokens(
            _map(entry / "ids.bin", np.int32, sizes["ids"]),
            _map(entry / "offsets.bin", np.int64, sizes["rows"] + 1),
            {task: _map(entry / f"labels-{task}.bin", np.int32, sizes["rows"]) for task in tasks},
            sizes["truncated"],
        )
    except (OSError, ValueError, KeyError):
        return None


def _map(path: Path, dtype: type[Any], size: int) -> NDArray[Any]:
    if path.stat().st_size != size * np.dtype(dtype).itemsize:
        raise ValueError(f"{path} is damaged")
    return map_file(path, dtype, size)


def _write(entry: Path, chunks: Iterable[Chunk], tasks: Sequence[str]) -> None:
    """Write an entry whole or not at all; where another process was faster, its entry stays."""
    partial = Path(tempfile.mkdtemp(dir=entry.parent, suffix=".partial"))
    sizes = {"ids": 0, "rows": 0, "truncated": 0}
    try:
        with ExitStack() as stack:
            names = ["ids", "offsets", *(f"labels-{task}" for task in tasks)]
            files = {name: stack.enter_context((partial / f"{name}.bin").open("wb")) for name in names}
            np.zeros(1, dtype=np.int64).tofile(files["offsets"])
            for chunk in chunks:
                chunk.ids.tofile(files["ids"])
                (sizes["ids"] + np.cumsum(chunk.lengths)).tofile(files["offsets"])
                for task in tasks:
                    chunk.labels[task].tofile(files[f"labels-{task}"])
                sizes["ids"] += len(chunk.ids)
                sizes["rows"] += len(chunk.lengths)
                sizes["truncated"] += chunk.truncated
        (partial / _DONE).write_text(json.dumps(sizes), encoding="utf-8")
        if entry.is_dir() and _read(entry, tasks) is None:
            shutil.rmtree(entry)
        try:
            partial.rename(entry)
        except OSError:  # a folder that is not empty has an error of its own on some systems
            if not entry.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
