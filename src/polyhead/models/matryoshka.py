"""Matryoshka embeddings: the first units of an embedding as a shorter one (Kusupati et al. 2022, arXiv 2205.13147).

Shapes: B sentences, W units of an embedding, d of its first units.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import normalize

from polyhead.errors import ParameterError


def truncate(embeddings: Tensor, size: int, is_normalized: bool) -> Tensor:
    """Return the first units of embeddings (B, d), at length 1 again where the whole ones (B, W) have that.

    >>> import torch
    >>> truncate(torch.tensor([[0.6, 0.0, 0.8]]), 2, is_normalized=True)
    tensor([[1., 0.]])
    """
    if size == embeddings.shape[1]:
        return embeddings
    first = embeddings[:, :size]
    return normalize(first, dim=1) if is_normalized else first


def nested_weight(weight: Tensor, width: int, size: int) -> Tensor:
    """Return the columns of a head's weight (C, F) that read the first units of the embeddings it is given.

    >>> import torch
    >>> nested_weight(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), width=2, size=1)
    tensor([[1., 3.]])

    Args:
        weight: F is a multiple of W: a head of two texts is given several parts of that width.
        width: W.
        size: d.
    """
    parts = weight.view(len(weight), -1, width)
    return parts[:, :, :size].reshape(len(weight), -1)


def check_dimensions(dimensions: Sequence[int], width: int) -> tuple[int, ...]:
    """Return the widths of an embedding that are trained, the whole one first.

    Args:
        dimensions: the widths, falling; none for the whole one alone.
        width: of the whole.

    Raises:
        ParameterError: they do not fall from the width of the whole.
    """
    given = list(dimensions)
    whole = all(type(size) is int and size >= 1 for size in given)
    if given and (not whole or given[0] != width or sorted(set(given), reverse=True) != given):
        raise ParameterError(
            f"dimensions: {given} given; it must be whole numbers that fall from {width}, the width of the embedding, "
            f"as [{width},{max(1, width // 2)}]"
        )
    return tuple(given)
