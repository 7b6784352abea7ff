"""Conflict: how the tasks' gradients at the shared embedding agree. Knows nothing about weightings or trainers.

Shapes: T tasks, B sentences, H hidden units, N = B x H, P pairs of tasks.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

_MOST_PAIRS = 10  # of tasks that have curves of their own: those of five tasks
_WORST = 5  # pairs that a summary names where there are more


def copy_per_task(embeddings: Tensor, tasks: int) -> Tensor:
    """Return a copy of the embeddings (B, H) for each task's head (T, B, H), all in one memory."""
    return embeddings.expand(tasks, *embeddings.shape)


def gradients_at(copies: Tensor, losses: Tensor) -> Tensor:
    """Return each task's gradient (T, N) at its copy of the embeddings: one backward pass of all heads, no encoder's.

    Args:
        copies: of the embeddings (T, B, H), see :func:`copy_per_task`; a task's loss depends on its own alone.
        losses: (T,); those of tasks without labels are 0, and so are their gradients.
    """
    (gradients,) = torch.autograd.grad(losses.sum(), copies, retain_graph=True)
    return gradients.flatten(start_dim=1).float()


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
        first = torch.tensor([one for one, _ in pairs], dtype=torch.int64)
        second = torch.tensor([other for _, other in pairs], dtype=torch.int64)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        # Rows: steps with labels for both, sums of cosine and of magnitude similarity, conflicting steps.
        self.register_buffer("sums", torch.zeros(4, len(pairs), dtype=torch.float64))

    def forward(self, gradients: Tensor, labelled: Tensor) -> dict[str, Tensor]:
        """Add a step's gradients (T, N) to the sums and return its curves: of each pair, or of more than ten a summary.

        A curve is not a number where a task of the pair has no label, as ``labelled`` (T,) says, or no gradient.
        """
        with torch.autocast(gradients.device.type, enabled=False):
            gram = gradients @ gradients.T  # (T, T)
        norms = gram.diagonal().sqrt()  # (T,)
        first, second = norms[self.first], norms[self.second]  # (P,)
        have_labels = labelled[self.first] & labelled[self.second]
        both = have_labels & (first > 0) & (second > 0)
        cosine = torch.where(both, gram[self.first, self.second] / (first * second), torch.nan)
        similarity = torch.where(both, 2 * first * second / (first**2 + second**2), torch.nan)
        self.sums += torch.stack([both, cosine.nan_to_num(), similarity.nan_to_num(), cosine < 0])
        if len(self.names) > _MOST_PAIRS:
            return _summarize(cosine, both)
        curves = {}
        for index, name in enumerate(self.names):
            curves[f"conflict/{name}/cosine"] = cosine[index]
            curves[f"conflict/{name}/magnitude_similarity"] = similarity[index]
        return curves

    def summary(self) -> dict[str, dict[str, float]]:
        """Return the means over all steps so far, by pair; empty before the first.

        Of more than ten pairs these are the five of lowest cosine, and the mean of all, whose steps are those of all.
        """
        columns = zip(self.names, self.sums.T.tolist(), strict=True)
        summary = {name: _means(sums) for name, sums in columns if sums[0]}
        if len(summary) <= _MOST_PAIRS:
            return summary
        worst = sorted(summary, key=lambda name: summary[name]["cosine"])[:_WORST]
        overall = {f"all {len(summary)} pairs": _means(self.sums.sum(dim=1).tolist())}
        return overall | {name: summary[name] for name in worst}


def _summarize(cosine: Tensor, both: Tensor) -> dict[str, Tensor]:
    """Return the curves of many pairs (P,); not numbers where ``both`` (P,) is nowhere true."""
    lowest = torch.where(both, cosine, torch.inf).min()
    return {
        "conflict/mean_cosine": cosine.nanmean(),
        "conflict/lowest_cosine": torch.where(both.any(), lowest, torch.nan),
        "conflict/conflicting_share": (cosine < 0).sum() / both.sum(),
    }


def _means(sums: Sequence[float]) -> dict[str, float]:
    steps, cosine, similarity, conflicting = sums
    return {
        "steps": int(steps),
        "cosine": cosine / steps,
        "magnitude_similarity": similarity / steps,
        "conflicting_share": conflicting / steps,
    }
