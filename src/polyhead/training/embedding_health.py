"""Embedding health: whether an embedding still is what it was before heads were trained on it.

Knows nothing about models or trainers. Shapes: N sentences, P pairs of sentences, W units of an embedding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from polyhead.errors import ParameterError, UserError, check_parameters, did_you_mean, is_finite
from polyhead.storage.cells import has_column, is_blank, look_up
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import Row

_SHOWN = 3  # rows that a message names


class ScoredPairs(NamedTuple):
    """Pairs of sentences, and how similar a person found the two of each (P,)."""

    first: list[str]
    second: list[str]
    scores: Tensor


@dataclass(frozen=True)
class EmbeddingHealth:
    """Measures an embedding before and after training, on validation sentences and on pairs of sentences.

    Args:
        pairs: a file of pairs with a score of their similarity, of any format that data have; None measures without.
        columns: those of the first sentence, of the second and of the score.
        sentences: of validation, at most; a matrix of their similarities is held in memory.

    Raises:
        ParameterError: values out of range, all at once.
    """

    pairs: str | None = None
    columns: Sequence[str] = ("sentence1", "sentence2", "score")
    sentences: int = 1000

    def __post_init__(self) -> None:
        named = len(self.columns) == 3 and all(isinstance(name, str) for name in self.columns)
        check_parameters(
            ("columns", [*self.columns], named, "the names of three columns: two sentences, and the score"),
            ("sentences", self.sentences, 2 <= self.sentences <= 20_000, "from 2 to 20000"),
        )

    def read_pairs(self) -> ScoredPairs | None:
        """Read the pairs; None where there are none.

        Raises:
            ParameterError: the file cannot be read, or a row of it is no pair with a score.
        """
        if self.pairs is None:
            return None
        try:
            with open_rows(self.pairs) as reader:
                self._check_columns(reader.columns)
                rows = list(reader)
        except UserError as error:
            raise ParameterError(f"pairs: {error}") from error
        if problems := list(self._problems(rows)):
            more = f" (and {len(problems) - _SHOWN:,} more)" if len(problems) > _SHOWN else ""
            raise ParameterError(f"pairs: {self.pairs!r}: {'; '.join(problems[:_SHOWN])}{more}")
        first, second, score = ([look_up(row, column) for _, row in rows] for column in self.columns)
        scores = torch.tensor([float(cell) for cell in score], dtype=torch.double)
        if len(scores) < 2 or scores.min() == scores.max():
            raise ParameterError(f"pairs: {self.pairs!r} has no two pairs with different scores; give more")
        return ScoredPairs(first, second, scores)

    def _check_columns(self, present: Sequence[str] | None) -> None:
        for column in [] if present is None else self.columns:
            if not has_column(present or (), column):
                raise UserError(f"{self.pairs!r} has no column {column!r}; {did_you_mean(column, present or ())}")

    def _problems(self, rows: Sequence[tuple[int, Row]]) -> Iterator[str]:
        *texts, score = self.columns
        for number, row in rows:
            blank = [column for column in texts if not _is_sentence(look_up(row, column))]
            if blank:
                yield f"row {number}: {blank[0]!r} has no sentence"
            elif not _is_number(look_up(row, score)):
                yield f"row {number}: {score!r} has no number"


def _is_sentence(cell: object) -> bool:
    return isinstance(cell, str) and not is_blank(cell)


def _is_number(cell: object) -> bool:
    try:
        return is_finite(float(cell) if isinstance(cell, str) else cell)
    except ValueError:
        return False


def uniformity(embeddings: Tensor) -> float:
    r"""Return how evenly embeddings (N, W) lie on the sphere: less is more even, 0 is one point.

    .. math:: \log \operatorname{mean}_{i \neq j} e^{-2 \lVert x_i - x_j \rVert^2}

    with each embedding at length 1 (Wang and Isola 2020, arXiv 2005.10242).
    """
    similarities = _similarities(embeddings)
    return float((4 * similarities - 4).exp().mean().log())  # |x - y|^2 = 2 - 2 cos


def effective_rank(embeddings: Tensor) -> float:
    r"""Return how many directions embeddings (N, W) use, from 1 to W.

    .. math:: e^{H(p)}, \quad p_k = \sigma_k / \sum_j \sigma_j

    with the singular values of the matrix, and H the entropy (Roy and Vetterli 2007, "The effective rank").
    """
    values = torch.linalg.svdvals(embeddings.double())
    shares = values / values.sum().clamp(min=torch.finfo(torch.double).tiny)
    return float(torch.special.entr(shares).sum().exp())


def agreement(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Return how far sentences kept their similarities to each other: the mean over the sentences, and the lowest.

    Of each sentence it is Pearson's correlation of its cosines to all others, before and after; 1 where nothing
    changed, also where the embedding as a whole has turned; 0 where one of the two does not vary.

    Args:
        before: embeddings (N, W).
        after: of the same sentences (N, V).
    """
    old, new = (_centered(_similarities(embeddings)) for embeddings in (before, after))  # (N, N - 1)
    values = cosine_similarity(old, new, dim=1)
    return float(values.mean()), float(values.min())


def pair_correlation(first: Tensor, second: Tensor, scores: Tensor) -> float:
    """Return Spearman's rank correlation of the cosines of pairs (P, W) with their scores (P,); 0 for equal cosines."""
    from torchmetrics.functional import spearman_corrcoef

    cosines = cosine_similarity(first.double(), second.double(), dim=1)
    return float(spearman_corrcoef(cosines, scores).nan_to_num(0.0))


def _similarities(embeddings: Tensor) -> Tensor:
    """Return the cosines of each sentence with all others (N, N - 1)."""
    directions = normalize(embeddings.double(), dim=1)
    similarities = directions @ directions.T
    rows = len(similarities)
    # Without its first number, a row of the flat matrix begins behind the diagonal: n - 1 others, then the next one.
    return similarities.flatten()[1:].view(rows - 1, rows + 1)[:, :-1].reshape(rows, rows - 1)


def _centered(values: Tensor) -> Tensor:
    return values - values.mean(dim=1, keepdim=True)
