"""Frozen activations: outputs of the frozen part of an encoder for a split, from the cache or computed once.

Knows nothing about heads, losses or trainers. Shapes: N sentences of a split, M tokens of all of them, B sentences of a
batch, S tokens, H hidden units.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.freezing.activation_cache import ActivationCache, digest
from polyhead.inference.length_batches import inference_copy, run_batches
from polyhead.inference.packed_linear import pack_linear_layers
from polyhead.models.encoder import Encoder

log = logging.getLogger(__name__)

_CHUNK = 16_384  # sentences whose windows are in memory together


def frozen_depth(encoder: Encoder) -> int | None:
    """Return the number of layers, from the bottom, that stored activations can replace.

    None stands for all layers and the pooling: the whole encoder is frozen. 0 means that nothing worth storing is:
    looking up an embedding costs no more than reading it from disk.
    """
    if not _trains(encoder):
        return None
    if any(_trains(module) for module in encoder.embeddings):
        return 0
    depth = 0
    for layer in list(encoder.layers)[:-1]:  # at least one layer is left to run on the stored states
        if _trains(layer):
            break
        depth += 1
    return depth


def attach_frozen(
    encoder: Encoder,
    precision: str,
    cache: ActivationCache,
    device: torch.device,
) -> Callable[[TokenizedSplit, str], None] | None:
    """Return the function that gives splits the activations of the layers frozen now; None if none is worth storing.

    Args:
        encoder: with its frozen parts in evaluation mode.
        precision: of training, as Lightning names it.
        cache: where activations are kept.
        device: where they are computed.
    """
    depth = frozen_depth(encoder)
    return None if depth == 0 else FrozenActivations(encoder, depth, precision, cache, device).attach


@dataclass(frozen=True)
class FrozenActivations:
    """Reads or computes the activations of the frozen layers for the sentences of a split.

    Args:
        encoder: with its frozen parts in evaluation mode.
        depth: number of frozen layers, as :func:`frozen_depth` returns it; not 0.
        precision: of training, as Lightning names it; bfloat16 training reads bfloat16 token states.
        cache: where activations are kept; None keeps none.
        device: where they are computed.
    """

    encoder: Encoder
    depth: int | None
    precision: str
    cache: ActivationCache | None
    device: torch.device

    def attach(self, split: TokenizedSplit, name: str) -> None:
        """Give ``split`` its activations; it stays as it is if they cannot be stored.

        Args:
            split: the sentences.
            name: of the split, for the log.
        """
        computed_before = self._computed()
        activations = self.stored(split)
        if activations is not None:
            split.activations, split.depth = activations, self.depth
            how = (
                "computed and stored" if self._computed() > computed_before else "read from the cache, no encoder pass"
            )
            log.info("activations of %s: %s", name, how)

    def _computed(self) -> int:
        return 0 if self.cache is None else self.cache.counts["computed"]

    def stored(self, split: TokenizedSplit) -> Tensor | None:
        """Return the activations of a split from the cache, which keeps them from now on; None if it cannot."""
        if self.cache is None:
            return None
        fill = partial(self._fill, split)
        return self.cache.get(self._key(split), self._shape(split), self._dtype(), fill, split.description)

    def embed(self, split: TokenizedSplit) -> Tensor:
        """Return the activations of a split: those of the cache, or computed and kept in memory where it keeps none."""
        activations = self.stored(split)
        if activations is None:
            activations = torch.empty(self._shape(split), dtype=self._dtype())
            self._fill(split, activations)
        return activations

    def _shape(self, split: TokenizedSplit) -> tuple[int, int]:
        if self.depth is None:
            return len(split), self.encoder.embedding_size
        return len(split.sentences.ids), self.encoder.hidden_size

    def _dtype(self) -> torch.dtype:
        token_states = self.depth is not None
        return torch.bfloat16 if token_states and self.precision.startswith("bf16") else torch.float32

    def _key(self, split: TokenizedSplit) -> str:
        sentences = split.sentences
        cut = [] if sentences.windows.max(initial=1) == 1 else [f"windows of {sentences.window}"]
        return digest([self._encoder_digest, sentences.ids, sentences.offsets, *cut])

    @cached_property
    def _encoder_digest(self) -> str:
        """All that decides the activations but the sentences: the same for all splits, and 90 MB to read for minilm."""
        depth = -1 if self.depth is None else self.depth  # -1 in the keys of entries that exist already
        settings = f"{depth} {self.encoder.describe()} {self.precision}"
        return digest([repr(sorted(self._config().items())), settings, *self._frozen_state()])

    def _config(self) -> dict[str, str]:
        config: Any = self.encoder.transformer.config
        return {name: str(value) for name, value in config.to_dict().items() if not name.startswith("_")}

    def _frozen_state(self) -> Iterator[Tensor]:
        encoder = self.encoder
        lower = [*encoder.embeddings, *encoder.layers[: self.depth]]
        for module in [encoder] if self.depth is None else lower:
            yield from module.state_dict().values()

    def _fill(self, split: TokenizedSplit, array: Tensor) -> None:
        encoder = inference_copy(self.encoder, self.precision, self.device)
        if self.precision.startswith("bf16"):  # in single precision another library would round unlike training
            pack_linear_layers(encoder)

        if self.depth is None:
            _fill_embeddings(encoder, split.sentences, array, self.device)
        else:
            _fill_states(encoder, self.depth, split.sentences, array, self.device)


def _fill_states(
    encoder: Encoder, depth: int, sentences: TokenizedSentences, array: Tensor, device: torch.device
) -> None:
    """Write the token states (M, H) after the lowest layers."""
    windows = sentences.as_windows()

    def receive(rows: NDArray[np.int64], states: Tensor) -> None:
        places = windows.offsets[rows][:, None] + np.arange(states.shape[1])  # (B, S)
        array[torch.from_numpy(places)] = states.to(array.dtype)

    run_batches(windows, lambda ids: encoder.lower_states(depth, ids), receive, device=device)


def _fill_embeddings(encoder: Encoder, sentences: TokenizedSentences, array: Tensor, device: torch.device) -> None:
    """Write the embeddings (N, W), those of long sentences some thousand at a time: each has several windows."""
    if sentences.as_windows() is sentences:
        _embed_rows(encoder, sentences, array, device)
        return
    for start in range(0, len(sentences), _CHUNK):
        some = sentences.section(start, start + _CHUNK)
        windows = some.as_windows()
        values = torch.empty(len(windows), array.shape[1])  # (R, W)
        _embed_rows(encoder, windows, values, device)
        lengths, counts = torch.from_numpy(windows.lengths), torch.from_numpy(some.windows)
        array[start : start + _CHUNK] = encoder.pool_windows(values, lengths, counts)


def _embed_rows(encoder: Encoder, sentences: TokenizedSentences, array: Tensor, device: torch.device) -> None:
    def receive(rows: NDArray[np.int64], embeddings: Tensor) -> None:
        array[torch.from_numpy(rows)] = embeddings.to(array.dtype)

    run_batches(sentences, encoder, receive, device=device)


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
