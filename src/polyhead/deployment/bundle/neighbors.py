"""Neighbors: stored sentences, and which of them are nearest to an embedding. Knows nothing about models.

Shapes: N stored sentences, B embeddings to look up, H hidden units.
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
from polyhead.storage.documents import read_json
from polyhead.storage.schema import misfits

EMBEDDINGS, SENTENCES = "sentences.safetensors", "sentences.json"


@dataclass(frozen=True)
class Neighbors:
    """Sentences with their embeddings, to be searched by cosine similarity.

    >>> stored = Neighbors.from_embeddings(["east", "north"], [np.array([[2, 0], [0, 3]], dtype=np.float32)])
    >>> stored.nearest(np.array([[5, 0]], dtype=np.float32), count=2)
    [[('east', 1.0), ('north', 0.0)]]

    Args:
        sentences: N of them.
        directions: their embeddings (N, H), each scaled to length 1.
    """

    sentences: list[str]
    directions: NDArray[np.float32]

    @classmethod
    def from_embeddings(cls, sentences: Iterable[str], embeddings: Iterable[NDArray[np.float32]]) -> Self:
        """Take sentences and their embeddings, the latter in chunks (n, H) in the order of the sentences."""
        return cls(list(sentences), unit_vectors(np.concatenate(list(embeddings))))

    @classmethod
    def read(cls, folder: Path, width: int) -> Self | None:
        """Read what :meth:`write` wrote; return None if the folder stores no sentences.

        Args:
            folder: of the bundle.
            width: H, of the embeddings that will be looked up.

        Raises:
            UserError: a file is damaged, the two files differ in length, or embeddings are of another width.
        """
        if not (folder / SENTENCES).is_file():
            return None
        try:
            sentences = read_json(folder / SENTENCES)
            embeddings = load_file(folder / EMBEDDINGS)["embeddings"].astype(np.float32)
            if (
                embeddings.shape[1:] != (width,)
                or not np.isfinite(embeddings).all()
                or [*misfits("", sentences, list[str])]
            ):
                raise ValueError(SENTENCES)
            same_length = len(sentences) == len(embeddings)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise UserError(f"{str(folder)!r}: its stored sentences cannot be read; export the bundle again") from error
        if not same_length:
            raise UserError(f"{str(folder)!r}: {SENTENCES} and {EMBEDDINGS} differ in length; export the bundle again")
        return cls(sentences, embeddings)

    def write(self, folder: Path) -> None:
        """Write sentences and embeddings, the latter in half precision: their cosines keep three digits."""
        (folder / SENTENCES).write_text(json.dumps(self.sentences, ensure_ascii=False), encoding="utf-8")
        save_file({"embeddings": self.directions.astype(np.float16)}, folder / EMBEDDINGS)

    def nearest(self, embeddings: NDArray[np.float32], count: int) -> list[list[tuple[str, float]]]:
        """Return the ``count`` nearest sentences and their cosines, nearest first, for each of the embeddings (B, H).

        There are fewer where fewer are stored.
        """
        cosines = unit_vectors(embeddings) @ self.directions.T  # (B, N)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return [self._named(best, row) for best, row in zip(order.tolist(), cosines, strict=True)]

    def _named(self, positions: list[int], cosines: NDArray[np.float32]) -> list[tuple[str, float]]:
        return [(self.sentences[position], float(cosines[position])) for position in positions]


def unit_vectors(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale embeddings (B, H) to length 1; one that is 0 stays 0."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = embeddings / np.maximum(lengths, np.float32(1e-12))
    return scaled
