"""Conflict: how the tasks' gradients at the shared embedding agree. Knows nothing about weightings or trainers.

Shapes: T tasks, B sentences, H hidden units, N = B x H, P pairs of tasks.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn


def gradients_at(embeddings: Tensor, losses: Tensor) -> Tensor:
    """Return each task's gradient (T, N) at the embeddings (B, H): one head's backward pass a task, no encoder's.

    Args:
        embeddings: what the losses were computed from.
        losses: (T,); those of tasks without labels are 0, and so are their gradients.
    """
    gradients = [torch.autograd.grad(loss, embeddings, retain_graph=True)[0].flatten() for loss in losses]
    return torch.stack(gradients).float()


class Conflict(nn.Module):
    """Cosine and magnitude similarity of each pair of tasks' gradients, step by step and over the whole training.

    Magnitude similarity is :math:`2 |a| |b| / (|a|^2 + |b|^2)` (Yu et al. 2020, arXiv 2001.06782, definition 3); a step
    is conflicting if the cosine is below 0.

    Args:
        tasks: names, in the order of the gradients.
    """

    first: Tensor
    second: Tensor
    sums: Tensor

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        pairs = list(combinations(range(len(tasks)), 2))
        self.names = [f"{tasks[one]}-{tasks[other]}" for one, other in pairs]
        self.register_buffer("first", torch.tensor([one for one, _ in pairs], dtype=torch.int64), persistent=False)
        self.register_buffer("second", torch.tensor([other for _, other in pairs], dtype=torch.int64), persistent=False)
        # Rows: steps with labels for both, sums of cosine and of magnitude similarity, conflicting steps.
        self.register_buffer("sums", torch.zeros(4, len(pairs), dtype=torch.float64))

    def forward(self, gradients: Tensor, labelled: Tensor) -> dict[str, Tensor]:
        """Take in a step's gradients (T, N) and return its curves; not a number where a task has no label (T,)."""
        with torch.autocast(gradients.device.type, enabled=False):
            gram = gradients @ gradients.T  # (T, T)
        norms = gram.diagonal().sqrt()  # (T,)
        first, second = norms[self.first], norms[self.second]  # (P,)
        both = labelled[self.first] & labelled[self.second] & (first > 0) & (second > 0)
        cosine = torch.where(both, gram[self.first, self.second] / (first * second), float("nan"))
        similarity = torch.where(both, 2 * first * second / (first**2 + second**2), float("nan"))
        self.sums += torch.stack([both, cosine.nan_to_num(0), similarity.nan_to_num(0), cosine < 0])
        curves = {f"conflict/{name}/cosine": value for name, value in zip(self.names, cosine, strict=True)}
        return curves | {
            f"conflict/{name}/magnitude_similarity": value for name, value in zip(self.names, similarity, strict=True)
        }

    def summary(self) -> dict[str, dict[str, float]]:
        """Return the means over all steps so far, by pair; empty before the first."""
        return {
            name: {
                "steps": int(steps),
                "cosine": cosine / steps,
                "magnitude_similarity": similarity / steps,
                "conflicting_share": conflicting / steps,
            }
            for name, (steps, cosine, similarity, conflicting) in zip(self.names, self.sums.T.tolist(), strict=True)
            if steps
        }
