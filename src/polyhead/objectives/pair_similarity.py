"""Pair similarity: sentences of a class drawn together and others apart. Knows nothing about models or weightings.

Shapes: B sentences of a batch, H units of an embedding, C classes of a task, T tasks.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import MISSING


class PairSimilarityLoss(MultiTaskLoss):
    r"""The loss of each task on the embeddings of a batch: the cosine of a pair is 1 within a class, and 0 between two.

    With S the pairs of different sentences of one class, D those of two, and s_ij the cosine of their embeddings:

    .. math:: \frac{1}{2} \left( \frac{1}{|S|} \sum_S (1 - s_{ij})^2 + \frac{1}{|D|} \sum_D s_{ij}^2 \right)

    SetFit (Tunstall et al. 2022, arXiv 2209.11055) trains on as many pairs of S as of D, drawn at random, with the
    cosine-similarity loss of Reimers and Gurevych 2019. Here one pass over B sentences has all B (B - 1) / 2 pairs; a
    pair of rows of weights r counts ``r_i r_j`` times. Heads learn nothing from this loss: solve them at the end.

    The arguments are those of :class:`MultiTaskLoss`, for the loss that solved heads minimize; ``scale`` is on both.

    Raises:
        ParameterError: a task whose sentences are not of one class each, which makes no pairs.
    """

    of_classes = True
    trains_heads = False

    def of_embeddings(
        self,
        embeddings: Mapping[str, Tensor],
        logits: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return losses (T,) and labelled rows (T,).

        Args:
            embeddings: (B, H) of each task.
            logits: (B, C) of each task, which get a gradient of 0: processes that train together wait for each.
            labels: class index (B,) of each task, ``MISSING`` where there is none.
            weights: of each row (B,), 0 or more; None is 1 each.
        """
        losses, rows = [], []
        for name, rows_of_task in embeddings.items():
            counted = (labels[name] != MISSING).float() if weights is None else weights * (labels[name] != MISSING)
            loss = pair_similarity(rows_of_task, labels[name], counted)
            losses.append(loss * self.scale[name] + 0.0 * logits[name].sum())
            rows.append((counted > 0).sum())
        return torch.stack(losses), torch.stack(rows)


def losses_of_batch(
    loss: MultiTaskLoss,
    embeddings: Mapping[str, Tensor],
    logits: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    weights: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return losses (T,) and labelled rows (T,) of a loss that reads logits, or of one that reads embeddings."""
    given = () if weights is None else (weights,)  # a loss of one's own need not take any
    if isinstance(loss, PairSimilarityLoss):
        return loss.of_embeddings(embeddings, logits, labels, *given)
    losses, rows = loss(logits, labels, *given)
    return losses, rows


def pair_similarity(embeddings: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the loss () of the pairs of a batch; see :class:`PairSimilarityLoss`.

    >>> apart = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    >>> pair_similarity(apart, torch.tensor([0, 0, 1]), torch.ones(3))
    tensor(0.)

    Args:
        embeddings: (B, H).
        labels: class index (B,).
        weights: of each row (B,); 0 where it has no label. A kind of pair that there is none of counts 0.
    """
    with torch.autocast(embeddings.device.type, enabled=False):  # bfloat16 would round cosines to two digits
        directions = normalize(embeddings.float(), dim=1)
        cosines = directions @ directions.T  # (B, B)
    pairs = torch.outer(weights, weights).triu(1)
    together = labels[:, None] == labels[None]
    gaps = (cosines - together.float()).square() * pairs
    means = [(gaps * kind).sum() / _not_0((pairs * kind).sum()) for kind in (together, ~together)]
    return (means[0] + means[1]) / 2


def _not_0(total: Tensor) -> Tensor:
    return total.where(total > 0, 1.0)
