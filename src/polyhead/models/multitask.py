"""The model: one encoder pass, one linear head a task. Knows nothing about losses or training.

Shapes: B sentences, S tokens, H hidden units, C classes of a task.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from polyhead.data.batch import WHOLE, Batch
from polyhead.errors import UserError
from polyhead.models.dropout import FastDropout
from polyhead.models.encoder import Encoder
from polyhead.tasks import Task


class MultiTaskModel(nn.Module):
    """A shared encoder and a linear head for each task.

    Args:
        encoder: ids and mask -> embedding (B, H).
        tasks: one head each, under the task's name.
        dropout: share of embedding units zeroed before each head while that head trains.

    Raises:
        UserError: dropout outside [0, 1), or a task called like something of PyTorch's.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[Task], dropout: float) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UserError(f"model.dropout: {dropout} given; it must lie in [0, 1)")
        for task in tasks:  # the names of what a module has of its own
            if hasattr(nn.ModuleDict(), task.name):
                raise UserError(
                    f"tasks: {task.name!r} cannot name a head, PyTorch uses it; call the task otherwise, and give its "
                    f"column in data.columns={{NAME: {task.name}}}"
                )
        self.encoder = encoder
        self.heads = nn.ModuleDict(
            {
                task.name: nn.Sequential(FastDropout(dropout), nn.Linear(encoder.hidden_size, len(task.labels)))
                for task in tasks
            }
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the logits (B, C) of every task; the encoder runs once."""
        return self.classify(self.embed(batch))

    def embed(self, batch: Batch) -> Tensor:
        """Return the embeddings (B, H), going on from stored features where the batch has them."""
        if batch.features is None:
            embeddings: Tensor = self.encoder(batch.input_ids, batch.attention_mask)
            return embeddings
        if batch.depth == WHOLE:
            return batch.features
        return self.encoder.embed_states(batch.depth, batch.features, batch.attention_mask)

    def classify(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Return the logits (B, C) of every task for embeddings (B, H)."""
        return {name: head(embeddings) for name, head in self.heads.items()}
