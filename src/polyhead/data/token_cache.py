"""The token cache: tokenized sentences on disk, memory-mapped. Knows nothing about text, batches or models."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.storage.cache import Description
from polyhead.storage.folder_cache import FolderCache
from polyhead.storage.memmap import map_file

log = logging.getLogger(__name__)

_TRUNCATED = "truncated.bin"
_SECOND = "second-"  # before the names of files of second texts


@dataclass(frozen=True)
class TokenCache(FolderCache):
    """Tokenized sentences on disk, each entry a folder named by what it was made from."""

    name: ClassVar[str] = "tokens"

    def get(
        self,
        key: str,
        chunks: Callable[[], Iterable[TokenizedSentences]],
        tasks: Sequence[str],
        description: Description | None = None,
        paired: bool = False,
    ) -> TokenizedSentences:
        """Return an entry, memory-mapped; if it is missing or damaged, write it chunk by chunk first.

        Args:
            key: digest of everything that the content depends on.
            chunks: makes the content; called only if the entry has to be written.
            tasks: names of the tasks whose labels the chunks have.
            description: of the content, for a person.
            paired: whether the chunks have second texts.

        Returns:
            The sentences; in memory if they cannot be written (a full disk), with one line in the log.
        """

        made = False

        def write(folder: Path) -> Description:
            nonlocal made
            made = True
            _write_files(folder, chunks(), tasks, paired)
            return description or {}

        try:
            entry = self.find_or_make(key, write)
            if made:
                self.evict(0, keep=[entry])
        except OSError as error:
            place, reason = self.path / key, error.strerror or error
            log.warning("tokens: %s cannot be written (%s); continuing without the cache", place, reason)
            return TokenizedSentences.concatenate(chunks(), tasks)
        return _read(entry, tasks, paired)


def _read(entry: Path, tasks: Sequence[str], paired: bool) -> TokenizedSentences:
    """Map an entry whose files are intact."""
    ids, offsets = (f"{_SECOND}{name}.bin" for name in ("ids", "offsets"))
    seconds = TokenizedSentences(_map(entry / ids, np.int32), _map(entry / offsets, np.int64)) if paired else None
    return TokenizedSentences(
        ids=_map(entry / "ids.bin", np.int32),
        offsets=_map(entry / "offsets.bin", np.int64),
        labels={task: _map(entry / f"labels-{task}.bin", np.int32) for task in tasks},
        truncated=int(_map(entry / _TRUNCATED, np.int64)[0]),
        seconds=seconds,
    )


def _map(path: Path, dtype: type[Any]) -> NDArray[Any]:
    return map_file(path, dtype, path.stat().st_size // np.dtype(dtype).itemsize)


def _write_files(folder: Path, chunks: Iterable[TokenizedSentences], tasks: Sequence[str], paired: bool) -> None:
    tokens = second_tokens = truncated = 0
    seconds = [f"{_SECOND}{name}" for name in ("ids", "offsets") if paired]
    names = ["ids", "offsets", *(f"labels-{task}" for task in tasks), *seconds]
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.bin").open("wb")) for name in names}
        for name in ("offsets", *seconds[1:]):
            np.zeros(1, dtype=np.int64).tofile(files[name])
        for chunk in chunks:
            chunk.ids.tofile(files["ids"])
            (tokens + chunk.offsets[1:]).tofile(files["offsets"])
            for task in tasks:
                chunk.labels[task].tofile(files[f"labels-{task}"])
            if chunk.seconds is not None:
                chunk.seconds.ids.tofile(files[seconds[0]])
                (second_tokens + chunk.seconds.offsets[1:]).tofile(files[seconds[1]])
                second_tokens += len(chunk.seconds.ids)
            tokens += len(chunk.ids)
            truncated += chunk.truncated
    np.array([truncated], dtype=np.int64).tofile(folder / _TRUNCATED)
