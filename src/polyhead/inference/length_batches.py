"""Encoding: token ids -> activations of a frozen encoder, with nothing padded. Knows nothing about text or training.

Shapes: N sentences, B sentences of a batch, S tokens, H hidden units.
"""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.models.encoder import Encoder

TOKENS_PER_BATCH = 2048
"""Enough for the matrix products to run at full speed, few enough to stay in the processor's caches."""

Rows = NDArray[np.int64]


def equal_length_batches(lengths: Rows, tokens_per_batch: int = TOKENS_PER_BATCH) -> Iterator[Rows]:
    """Cut rows into batches of one length each, longest first: no padding, and so no mask.

    Args:
        lengths: tokens of each sentence (N,).
        tokens_per_batch: most tokens in a batch; a longer sentence makes a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    changes = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, changes) if len(order) else []:
        size = max(1, tokens_per_batch // int(lengths[group[0]]))
        yield from np.split(group, range(size, len(group), size))


def encode_rows(
    tokens: NDArray[np.int32],
    offsets: Rows,
    encode: Callable[[Tensor], Tensor],
    receive: Callable[[Rows, Tensor], None],
    streams: int = 1,
) -> None:
    """Run ``encode`` over all sentences, batch by batch.

    Args:
        tokens: ids of all sentences, one after the other.
        offsets: where each sentence starts (N + 1,).
        encode: ids (B, S) -> whatever is wanted of them, first dimension B.
        receive: takes the rows (B,) of a batch and what ``encode`` gave for them.
        streams: batches that go side by side, each in a thread; both functions must bear that where it is above 1.
    """

    def run(rows: Rows) -> None:
        length = int(offsets[rows[0] + 1] - offsets[rows[0]])
        positions = offsets[rows][:, None] + np.arange(length)  # (B, S)
        ids = torch.from_numpy(tokens[positions].astype(np.int64))
        with torch.inference_mode():
            receive(rows, encode(ids))

    batches = equal_length_batches(np.diff(offsets))
    if streams == 1:
        for rows in batches:
            run(rows)
    else:
        with ThreadPoolExecutor(streams) as pool:
            list(pool.map(run, batches))  # the list is of nothing, but asking for it raises what a batch raised


def inference_copy(encoder: Encoder, precision: str, device: torch.device) -> Encoder:
    """Return a copy of the encoder for inference: no dropout, no gradients, weights in the precision given.

    Args:
        encoder: any; it is left alone.
        precision: ``32-true``, or one that starts with ``bf16``; bfloat16 weights save the cast that autocast makes
            in every step.
        device: where the copy computes.
    """
    dtype = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    return copy.deepcopy(encoder).to(device, dtype).eval().requires_grad_(False)
