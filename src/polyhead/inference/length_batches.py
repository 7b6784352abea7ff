"""Length batches: a frozen network over tokenized sentences, with nothing padded. Knows nothing about text or training.

Shapes: N sentences, B sentences of a batch, S tokens.
"""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.models.encoder import Encoder

TOKENS_PER_BATCH = 2048
"""Enough for the matrix products to run at full speed, few enough to stay in the processor's caches."""
TOKENS_PER_GPU_BATCH = 32_768
"""Enough for the products of a batch to take longer than launching them does."""

Rows = NDArray[np.int64]
Receive = Callable[[Rows, Tensor], None]

PROCESSOR = torch.device("cpu")


def equal_length_batches(lengths: NDArray[np.integer[Any]], tokens_per_batch: int = TOKENS_PER_BATCH) -> Iterator[Rows]:
    """Cut rows into batches of one length each, longest first, so that there is no padding and no mask.

    >>> [rows.tolist() for rows in equal_length_batches(np.array([3, 5, 3, 3]), tokens_per_batch=6)]
    [[1], [0, 2], [3]]

    Args:
        lengths: tokens of each sentence (N,).
        tokens_per_batch: tokens per batch, at most; a longer sentence makes a batch of its own.

    Yields:
        The rows (B,) of a batch.
    """
    order = np.argsort(-lengths, kind="stable")
    changes = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, changes) if len(order) else []:
        size = max(1, tokens_per_batch // int(lengths[group[0]]))
        yield from np.split(group, range(size, len(group), size))


def run_batches(
    sentences: TokenizedSentences,
    network: Callable[[Tensor], Tensor],
    receive: Receive,
    streams: int = 1,
    device: torch.device = PROCESSOR,
) -> None:
    """Run a network over all sentences, in batches of equal length.

    Args:
        sentences: N of them.
        network: token ids (B, S), on ``device`` -> values (B, ...).
        receive: called with the rows (B,) of each batch and the network's values for them, on the processor.
        streams: batches that run side by side, each in a thread with its share of torch's cores; above 1 both functions
            must be safe to call so.
        device: where the network computes. A GPU gets larger batches, and the next one while the values of the last
            are on their way back.
    """
    ids, offsets = sentences.ids, sentences.offsets
    on_gpu = device.type == "cuda"
    late = _LateReceive(receive)

    def run(rows: Rows) -> None:
        length = int(offsets[rows[0] + 1] - offsets[rows[0]])
        positions = offsets[rows][:, None] + np.arange(length)  # (B, S)
        batch = torch.from_numpy(ids[positions].astype(np.int64))
        with torch.inference_mode():
            if on_gpu:
                late(rows, network(batch.pin_memory().to(device, non_blocking=True)))
            else:
                receive(rows, network(batch.to(device)).cpu())

    batches = [*equal_length_batches(sentences.lengths, TOKENS_PER_GPU_BATCH if on_gpu else TOKENS_PER_BATCH)]
    side_by_side = min(streams, len(batches))
    if side_by_side <= 1:
        for rows in batches:
            run(rows)
    else:
        with _threads(side_by_side) as pool:
            list(pool.map(run, batches))  # of nothing, but making the list raises whatever a batch raised
    late.finish()


class _LateReceive:
    """Hands over the values of a batch once the next one is queued, so that the GPU never waits for the processor."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.copied: tuple[Rows, Tensor, torch.cuda.Event] | None = None

    def __call__(self, rows: Rows, values: Tensor) -> None:
        """Start copying the values of a batch to the processor, and hand over those of the last."""
        copy_of_values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        copy_of_values.copy_(values, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()
        self.finish()
        self.copied = (rows, copy_of_values, done)

    def finish(self) -> None:
        """Hand over the values that were not, if any."""
        if self.copied is not None:
            rows, values, done = self.copied
            done.synchronize()
            self.copied = None
            self.receive(rows, values)


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads that share torch's cores; torch takes the last number that is set for threads to come, as well."""
    cores = torch.get_num_threads()
    share = max(1, cores // count)
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(share,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(cores)


def inference_copy(encoder: Encoder, precision: str, device: torch.device) -> Encoder:
    """Return a copy of the encoder for inference, as :func:`for_inference`; the original stays as it is."""
    return for_inference(copy.deepcopy(encoder), precision, device)


def for_inference(encoder: Encoder, precision: str, device: torch.device) -> Encoder:
    """Return the encoder, changed for inference: no dropout, no gradients, the transformer in the precision given.

    Modules on top of pooling stay in single precision, as in training.

    Args:
        encoder: nobody else uses it; weights that are mapped from a file stay there.
        precision: ``32-true``, or one that starts with ``bf16``; bfloat16 weights save the cast that autocast makes
            in every step.
        device: where it computes.
    """
    dtype = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    made = encoder.to(device).eval().requires_grad_(False)
    made.transformer.to(dtype)
    return made
