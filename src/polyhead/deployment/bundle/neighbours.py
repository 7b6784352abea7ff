"""Neighbours: stored sentences, and which of them are nearest to an embedding. Knows nothing about models.

Shapes: N stored sentences, B embeddings asked about, H hidden units.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from polyhead.errors import UserError

EMBEDDINGS, SENTENCES = "sentences.safetensors", "sentences.json"


@dataclass(frozen=True)
class Neighbours:
    """Sentences with their embeddings.

    Args:
        sentences: N of them.
        directions: their embeddings (N, H), each of length 1.
    """

    sentences: list[str]
    directions: NDArray[np.float32]

    @classmethod
    def of(cls, sentences: Iterable[str], embeddings: Iterable[NDArray[np.float32]]) -> Self:
        """Take sentences and their embeddings, in chunks (n, H)."""
        return cls(list(sentences), directions(np.concatenate(list(embeddings))))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what :meth:`write` wrote; None if nothing was.

        Raises:
            UserError: a file is damaged, or the two do not fit one another.
        """
        if not (folder / SENTENCES).is_file():
            return None
        try:
            sentences = json.loads((folder / SENTENCES).read_text(encoding="utf-8"))
            embeddings = load_file(folder / EMBEDDINGS)["embeddings"].astype(np.float32)
            fit = len(sentences) == len(embeddings)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise UserError(f"{str(folder)!r}: its stored sentences cannot be read; export the bundle again") from error
        if not fit:
            raise UserError(f"{str(folder)!r}: {SENTENCES} and {EMBEDDINGS} differ in length; export the bundle again")
        return cls(sentences, embeddings)

    def write(self, folder: Path) -> None:
        """Write sentences and embeddings, the latter in half precision: their cosines keep three digits."""
        (folder / SENTENCES).write_text(json.dumps(self.sentences, ensure_ascii=False), encoding="utf-8")
        save_file({"embeddings": self.directions.astype(np.float16)}, folder / EMBEDDINGS)

    def nearest(self, embeddings: NDArray[np.float32], count: int) -> list[list[tuple[str, float]]]:
        """Return for each of the embeddings (B, H) the ``count`` nearest sentences and their cosines."""
        cosines = directions(embeddings) @ self.directions.T  # (B, N)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return [
            [(self.sentences[i], float(row[i])) for i in best]
            for row, best in zip(cosines, order.tolist(), strict=True)
        ]


def directions(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale embeddings (B, H) to length 1."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = embeddings / np.maximum(lengths, np.float32(1e-12))
    return scaled
