"""Windows: the embeddings of a text's windows -> one embedding. Knows nothing about token ids or encoders.

Shapes: N texts, R windows of all of them, W units of an embedding.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def pool_windows(embeddings: Tensor, lengths: Tensor, windows: Tensor, is_normalized: bool) -> Tensor:
    """Return the mean of each text's windows (N, W), weighted by their tokens.

    For plain mean pooling that is the mean over the token states of all windows. A text of one window keeps its
    embedding to the last digit.

    >>> of_windows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    >>> pool_windows(of_windows, torch.tensor([6, 2, 4]), torch.tensor([2, 1]), is_normalized=False)
    tensor([[0.7500, 0.2500],
            [5.0000, 5.0000]])

    Args:
        embeddings: of the windows (R, W), those of a text one after the other.
        lengths: tokens of each window (R,).
        windows: of each text (N,), 1 or more.
        is_normalized: whether embeddings have length 1; the mean is given it again.
    """
    texts = torch.arange(len(windows), device=windows.device)
    text_of = texts.repeat_interleave(windows, output_size=len(embeddings))  # (R,)
    tokens = lengths.to(embeddings.dtype)
    tokens_of_text = tokens.new_zeros(len(windows)).index_add(0, text_of, tokens)  # (N,)
    shares = tokens / tokens_of_text[text_of]  # (R,)
    weighted = embeddings * shares[:, None]
    means = weighted.new_zeros(len(windows), embeddings.shape[1]).index_add(0, text_of, weighted)
    if not is_normalized:
        return means
    return torch.where((windows > 1)[:, None], normalize(means, dim=-1), means)
