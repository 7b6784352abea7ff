"""The multi-task model: one encoder pass, one linear head per task. Knows nothing about losses or training.

Shapes: B sentences, R windows of them, S tokens, W units of an embedding, C logits of a task.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import linear

from polyhead.data.batch import Batch
from polyhead.errors import UserError, check_parameters
from polyhead.models.dropout import FastDropout
from polyhead.models.encoder import Encoder
from polyhead.models.matryoshka import check_dimensions, truncate
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

    Attributes:
        scale: of the embeddings that the heads are given.
        dimensions: the widths, the whole first; empty where that is the only one.

    Raises:
        ParameterError: dropout outside [0, 1), or dimensions that do not fall from the whole width.
        UserError: a task with a name that PyTorch uses.
    """

    def __init__(
        self, encoder: Encoder, tasks: Sequence[Task], dropout: float, dimensions: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        check_parameters(("dropout", dropout, 0 <= dropout < 1, "0 or more, and below 1"))
        self.dimensions = check_dimensions(dimensions or (), encoder.embedding_size)
        self.encoder = encoder
        self.scale = _LENGTH if encoder.is_normalized else 1.0
        self.heads = nn.ModuleDict()
        for task in tasks:
            _check_head_name(task.name)
            linear = nn.Linear(encoder.embedding_size, task.width)
            self.heads[task.name] = nn.Sequential(FastDropout(dropout), linear)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the logits (B, C) of every task; the encoder runs once."""
        return self.classify(self.embed(batch))

    def embed(self, batch: Batch) -> Tensor:
        """Return the embeddings (B, W), computed from stored activations if the batch has them."""
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

    def classify(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Return the logits (B, C) of every task for embeddings (B, W)."""
        return {name: self.classify_task(name, embeddings) for name in self.heads}

    def classify_task(self, task: str, embeddings: Tensor) -> Tensor:
        """Return the logits (B, C) of one task for embeddings (B, W), or for the first units of them (B, d)."""
        scaled = embeddings if self.scale == 1 else embeddings * self.scale
        size = embeddings.shape[1]
        if size == self.encoder.embedding_size:
            logits: Tensor = self.heads[task](scaled)
            return logits
        dropout, head = cast(tuple[nn.Module, nn.Linear], tuple(cast(nn.Sequential, self.heads[task])))
        return linear(dropout(scaled), head.weight[:, :size], head.bias)

    def truncate(self, embeddings: Tensor, size: int) -> Tensor:
        """Return the first units of embeddings (B, d), as they are used by themselves."""
        return truncate(embeddings, size, self.encoder.is_normalized)


def _check_head_name(name: str) -> None:
    """Refuse the names of a module's own attributes: they would be hidden, or hide the head."""
    if hasattr(nn.ModuleDict(), name):
        raise UserError(
            f"tasks: {name!r} cannot name a head, PyTorch uses it; call the task otherwise, and give its column in "
            f"data.columns={{NAME: {name}}}"
        )
