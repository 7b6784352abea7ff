"""Candidates: the sentences among which some are chosen, distinct and in bounded memory. Knows nothing about models.

Shapes: N sentences that are held, M sentences that come, W units of an embedding, G classes of all tasks together.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.inference.selection import Floats
from polyhead.sources.folding import fold

LIMIT = 50_000
"""Sentences held, at most: 80 MB of embeddings of 384 units."""

_SEED = 0  # the same sentences give the same candidates


class Candidates:
    """Sentences with their outputs, each text once; of more than the limit, a random sample.

    A sentence is in the sample with a probability in proportion to the squared length of its gradient (Efraimidis and
    Spirakis 2006, weighted sampling from a stream), which is how often :func:`select` would draw it first.

    Args:
        known: texts that are no candidates; case, space and Unicode form aside.
        limit: of sentences that are held between two calls of :meth:`add`.

    Attributes:
        rows: whatever was given with each sentence, N.
        embeddings: of length 1 (N, W).
        residuals: see :func:`pseudo_residuals` (N, G).
        seen: sentences that came.
        repeated: those among them whose text was known, or held already.
    """

    def __init__(self, known: Iterable[str] = (), limit: int = LIMIT) -> None:
        self.limit = limit
        self.rows: list[Any] = []
        self.embeddings: Floats = np.zeros((0, 0), dtype=np.float32)
        self.residuals: Floats = np.zeros((0, 0), dtype=np.float32)
        self.seen = 0
        self.repeated = 0
        self._random = np.random.default_rng(_SEED)
        self._known = {hash(fold(text)) for text in known}
        self._held: list[int] = []  # hashes of the texts
        self._keys: NDArray[np.float64] = np.zeros(0)

    def add(self, rows: Sequence[Any], texts: Sequence[str], embeddings: Floats, residuals: Floats) -> None:
        """Take in sentences.

        Args:
            rows: whatever belongs to each, M.
            texts: M.
            embeddings: (M, W).
            residuals: (M, G).
        """
        self.seen += len(texts)
        taken, hashes = self._distinct(texts)
        self.repeated += len(texts) - len(taken)
        if not taken:
            return
        norms = np.linalg.norm(embeddings[taken], axis=1, keepdims=True)
        unit = embeddings[taken] / np.maximum(norms, 1e-12)
        weights = np.maximum((residuals[taken].astype(np.float64) ** 2).sum(axis=1), 1e-12)
        keys = np.log(1 - self._random.random(len(taken))) / weights
        first = not self.rows
        self.rows += [rows[index] for index in taken]
        self._held += hashes
        self._keys = np.concatenate([self._keys, keys])
        self.embeddings = unit if first else np.concatenate([self.embeddings, unit])
        self.residuals = residuals[taken] if first else np.concatenate([self.residuals, residuals[taken]])
        if len(self.rows) > self.limit:
            self._keep(np.sort(np.argpartition(-self._keys, self.limit)[: self.limit]))

    def _distinct(self, texts: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return the positions of texts that are new, the first of each, and their hashes."""
        held = {*self._held}
        taken: dict[int, int] = {}
        for position, text in enumerate(texts):
            found = hash(fold(text))
            if found not in self._known and found not in held:
                taken.setdefault(found, position)
        return list(taken.values()), list(taken)

    def _keep(self, kept: NDArray[np.intp]) -> None:
        self.rows = [self.rows[index] for index in kept]
        self._held = [self._held[index] for index in kept]
        self._keys = self._keys[kept]
        self.embeddings = self.embeddings[kept]
        self.residuals = self.residuals[kept]
