"""The token cache: tokenized sentences on disk, memory-mapped. Knows nothing about text, batches or models."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polyhead.data.tokenization import TokenizedSentences
from polyhead.errors import UserError
from polyhead.storage.cache import Cache
from polyhead.storage.memmap import map_file
from polyhead.storage.output import remove, write_atomically

log = logging.getLogger(__name__)

_DONE = "entry.json"


@dataclass(frozen=True)
class TokenCache(Cache):
    """Tokenized sentences on disk, each entry a folder named by what it was made from."""

    name: ClassVar[str] = "tokens"
    stamp: ClassVar[str] = f"*/{_DONE}"

    def get(
        self, key: str, chunks: Callable[[], Iterable[TokenizedSentences]], tasks: Sequence[str]
    ) -> TokenizedSentences:
        """Return an entry, memory-mapped; if it is missing or damaged, write it chunk by chunk first.

        Args:
            key: digest of everything that the content depends on.
            chunks: makes the content; called only if the entry has to be written.
            tasks: names of the tasks whose labels the chunks have.

        Returns:
            The sentences; in memory if they cannot be written (a full disk), with one line in the log.
        """
        entry = self.path / key
        stored = _read(entry, tasks)
        if stored is None:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                _write(entry, chunks(), tasks)
                self.evict(0, keep=entry)
            except OSError as error:
                reason = error.strerror or error
                log.warning("tokens: %s cannot be written (%s); continuing without the cache", entry, reason)
            stored = _read(entry, tasks)
        return TokenizedSentences.concatenate(chunks(), tasks) if stored is None else stored


def _read(entry: Path, tasks: Sequence[str]) -> TokenizedSentences | None:
    """Map an entry; return None if it is not there, or not as long as it should be."""
    try:
        sizes = json.loads((entry / _DONE).read_text(encoding="utf-8"))
        os.utime(entry / _DONE)  # marks the entry as used now
        return TokenizedSentences(
            ids=_map(entry / "ids.bin", np.int32, sizes["ids"]),
            offsets=_map(entry / "offsets.bin", np.int64, sizes["rows"] + 1),
            labels={task: _map(entry / f"labels-{task}.bin", np.int32, sizes["rows"]) for task in tasks},
            truncated=sizes["truncated"],
        )
    except (OSError, ValueError, KeyError):
        return None


def _map(path: Path, dtype: type[Any], size: int) -> NDArray[Any]:
    if path.stat().st_size != size * np.dtype(dtype).itemsize:
        raise ValueError(f"{path} is damaged")
    return map_file(path, dtype, size)


def _write(entry: Path, chunks: Iterable[TokenizedSentences], tasks: Sequence[str]) -> None:
    """Write an entry whole or not at all; if another process was faster, its entry stays."""
    try:
        with write_atomically(entry) as partial:
            partial.mkdir()
            _write_files(partial, chunks, tasks)
            if _read(entry, tasks) is None:  # missing or damaged
                remove(entry)
    except UserError:  # of the sentences, or because the faster process has the name
        if _read(entry, tasks) is None:
            raise


def _write_files(folder: Path, chunks: Iterable[TokenizedSentences], tasks: Sequence[str]) -> None:
    sizes = {"ids": 0, "rows": 0, "truncated": 0}
    names = ["ids", "offsets", *(f"labels-{task}" for task in tasks)]
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.bin").open("wb")) for name in names}
        np.zeros(1, dtype=np.int64).tofile(files["offsets"])
        for chunk in chunks:
            chunk.ids.tofile(files["ids"])
            (sizes["ids"] + chunk.offsets[1:]).tofile(files["offsets"])
            for task in tasks:
                chunk.labels[task].tofile(files[f"labels-{task}"])
            sizes["ids"] += len(chunk.ids)
            sizes["rows"] += len(chunk)
            sizes["truncated"] += chunk.truncated
    (folder / _DONE).write_text(json.dumps(sizes), encoding="utf-8")
