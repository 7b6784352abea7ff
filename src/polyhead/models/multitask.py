"""The multi-task model: one encoder pass, one linear head per task. Knows nothing about losses or training.

Heads of tasks about two texts are given both embeddings, as their kind joins them; those of some kinds have nothing to
learn, see :attr:`polyhead.tasks.Kind.has_head`.
Shapes: B sentences, P of which have a second text, X texts of both sorts, R windows of them, S tokens, W units of an
embedding, C logits of a task.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from polyhead.data.batch import Batch
from polyhead.errors import UserError, check_parameters
from polyhead.models.dropout import FastDropout, set_dropout
from polyhead.models.encoder import Encoder
from polyhead.models.matryoshka import check_dimensions, nested_weight, truncate
from polyhead.tasks import Task

_LENGTH = 4.0  # of the embeddings that heads are given where all have the same; a power of two rounds nowhere


class MultiTaskModel(nn.Module):
    """A shared encoder and a linear head for each task.

    Where embeddings have length 1, the heads are given four times the embedding, about the length that those of
    all-MiniLM-L6-v2 have before it is taken from them (4.3). At length 1 linear heads hardly learn at the same rate; at
    ``sqrt(W)`` fine-tuning becomes as accurate, but far too sure (docs/lab/freezing.md). Four is a power of two, so a
    head that takes the factor into its weights gives the same logits in every precision.

    Args:
        encoder: token ids and mask -> embeddings (B, W).
        tasks: the tasks; each has a head under its name.
        dropout: share of embedding units that are zeroed before each head while that head trains.
        dimensions: widths of the embedding for which heads are trained, falling from the whole one: at a smaller one a
            head reads the first units with as many columns of its weight (MRL-E of Kusupati et al. 2022). None and an
            empty list train the whole alone.
        encoder_dropout: the same share at every place of the transformer where it has dropout; None leaves it as its
            configuration says.

    Attributes:
        scale: of the embeddings that the heads are given.
        dimensions: the widths, the whole first; empty where that is the only one.

    Raises:
        ParameterError: a dropout outside [0, 1), or dimensions that do not fall from the whole width.
        UserError: a task with a name that PyTorch uses.
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        dropout: float = 0.1,
        dimensions: Sequence[int] | None = None,
        encoder_dropout: float | None = None,
    ) -> None:
        super().__init__()
        shares = {"dropout": dropout, "encoder_dropout": encoder_dropout or 0.0}
        check_parameters(*((name, share, 0 <= share < 1, "0 or more, and below 1") for name, share in shares.items()))
        self.dimensions = check_dimensions(dimensions or (), encoder.embedding_size)
        self.encoder = encoder
        if encoder_dropout is not None:
            set_dropout(encoder.transformer, encoder_dropout)
        self.scale = _LENGTH if encoder.is_normalized else 1.0
        self.heads = nn.ModuleDict()
        for task in tasks:
            _check_head_name(task.name)
            self.heads[task.name] = _make_head(task, encoder.embedding_size, dropout)
        self._of_pairs = {task.name: task.kind for task in tasks if task.kind.is_pair}

    @property
    def one_text_heads(self) -> list[str]:
        """The tasks about one text, in the order of the heads."""
        return [task for task in self.heads if task not in self._of_pairs]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the logits (B, C) of every task; the encoder runs once."""
        return self.classify(self.embed(batch), batch.pairs)

    def embed(self, batch: Batch) -> Tensor:
        """Return the embeddings of all texts (X, W), the sentences first; from stored activations if there are any."""
        if batch.activations is not None and batch.depth is None:
            return batch.activations
        embeddings = self._embed_rows(batch)  # (R, W)
        if batch.windows is None:
            return embeddings
        return self.encoder.pool_windows(embeddings, batch.lengths, batch.windows)

    def _embed_rows(self, batch: Batch) -> Tensor:
        """Return the embedding of each row of tokens (R, W)."""
        if batch.activations is None or batch.depth is None:
            embeddings: Tensor = self.encoder(batch.input_ids, batch.attention_mask)
            return embeddings
        return self.encoder.embed_states(batch.depth, batch.activations, batch.attention_mask)

    def classify(self, embeddings: Tensor, pairs: Tensor | None = None) -> dict[str, Tensor]:
        """Return the logits (B, C) of every task for embeddings (X, W), as :meth:`embed` gives them.

        Args:
            embeddings: of the texts.
            pairs: the sentences that have a second text (P,); None where none has one.
        """
        return {name: self.classify_task(name, embeddings, pairs) for name in self.heads}

    def classify_task(self, task: str, embeddings: Tensor, pairs: Tensor | None = None) -> Tensor:
        """Return the logits (B, C) of one task for embeddings (X, W), or for the first units of them (X, d).

        Of tasks about two texts, those of a sentence that has none mean nothing.
        """
        scaled = embeddings if self.scale == 1 else embeddings * self.scale
        features, head = self._features(task, scaled, pairs), self.heads[task]
        size, whole = embeddings.shape[1], self.encoder.embedding_size
        if size == whole or isinstance(head, nn.Identity):
            logits: Tensor = head(features)
            return logits
        dropout, last = cast(tuple[nn.Module, nn.Linear], tuple(cast(nn.Sequential, head)))
        return linear(dropout(features), nested_weight(last.weight, whole, size), last.bias)

    def _features(self, task: str, embeddings: Tensor, pairs: Tensor | None) -> Tensor:
        """Return what the head of a task is given (B, F)."""
        kind = self._of_pairs.get(task)
        if pairs is None:  # and no length is asked for: tracing would make the batch of a graph a constant
            return embeddings if kind is None else kind.features(embeddings, torch.zeros_like(embeddings))
        first, seconds = embeddings.tensor_split([len(embeddings) - len(pairs)])
        if kind is None:
            return first
        return kind.features(first, torch.zeros_like(first).index_copy(0, pairs, seconds))

    def truncate(self, embeddings: Tensor, size: int) -> Tensor:
        """Return the first units of embeddings (X, d), as they are used by themselves."""
        return truncate(embeddings, size, self.encoder.is_normalized)


def _make_head(task: Task, embedding_size: int, dropout: float) -> nn.Module:
    if not task.kind.has_head:
        return nn.Identity()
    return nn.Sequential(FastDropout(dropout), nn.Linear(task.kind.feature_size(embedding_size), task.width))


def _check_head_name(name: str) -> None:
    """Refuse the names of a module's own attributes: they would be hidden, or hide the head."""
    if hasattr(nn.ModuleDict(), name):
        raise UserError(
            f"tasks: {name!r} cannot name a head, PyTorch uses it; call the task otherwise, and give its column in "
            f"data.columns={{NAME: {name}}}"
        )
