"""Activations: what a frozen part of the encoder gives for a split, from the store or computed once.

Knows nothing about heads, losses or trainers. Shapes: N sentences, B sentences of a batch, S tokens, H hidden units.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyhead.data.batch import WHOLE
from polyhead.data.dataset import TokenizedSplit
from polyhead.freezing.activation_cache import ActivationCache, digest
from polyhead.inference.length_batches import encode_rows, inference_copy
from polyhead.inference.packed_linear import pack_linear_layers
from polyhead.models.encoder import Encoder

log = logging.getLogger(__name__)


def frozen_depth(encoder: Encoder) -> int:
    """Return how many layers from the bottom are frozen, embeddings included; ``WHOLE`` if all of the encoder is.

    0 means that nothing worth storing is: looking up an embedding costs no more than reading it from disk.
    """
    if not any(parameter.requires_grad for parameter in encoder.parameters()):
        return WHOLE
    if any(_trains(module) for module in encoder.embeddings):
        return 0
    depth = 0
    for layer in list(encoder.layers)[:-1]:  # the last layer alone is no upper part to go on with
        if _trains(layer):
            break
        depth += 1
    return depth


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def attach_frozen(
    encoder: Encoder,
    precision: str,
    store: ActivationCache,
    device: torch.device,
) -> Callable[[TokenizedSplit, str], None] | None:
    """Return what gives splits the activations of what is frozen now; None where that is nothing worth storing.

    Args:
        encoder: as for :class:`FrozenActivations`.
        precision: as there.
        store: as there.
        device: as there.
    """
    depth = frozen_depth(encoder)
    return FrozenActivations(encoder, depth, precision, store, device).attach if depth else None


@dataclass(frozen=True)
class FrozenActivations:
    """Computes or fetches the activations at the frozen boundary for a split's sentences.

    Args:
        encoder: with its frozen parts in evaluation mode.
        depth: frozen layers, as :func:`frozen_depth` tells.
        precision: of training, as Lightning names it; bfloat16 training reads bfloat16 token states.
        store: where they are kept.
        device: where they are computed.
    """

    encoder: Encoder
    depth: int
    precision: str
    store: ActivationCache
    device: torch.device

    def attach(self, split: TokenizedSplit, name: str) -> None:
        """Give ``split`` its activations; it stays as it is where they cannot be stored."""
        rows = len(split) if self.depth == WHOLE else len(split.tokens)
        shape = (rows, self.encoder.hidden_size)
        half = self.precision.startswith("bf16") and self.depth != WHOLE
        computed: list[bool] = []

        def compute(array: Tensor) -> None:
            computed.append(True)
            self._fill(array, split)

        features = self.store.get(self._key(split), shape, torch.bfloat16 if half else torch.float32, compute)
        if features is not None:
            split.features, split.depth = features, self.depth
            how = "computed and stored" if computed else "from the store, no encoder pass"
            log.info("features of %s: %s", name, how)

    def _key(self, split: TokenizedSplit) -> str:
        return digest([self._encoder_digest, split.tokens, split.offsets])

    @cached_property
    def _encoder_digest(self) -> str:
        """What decides the activations but for the sentences: the same for all splits, and 90 MB to read for minilm."""
        settings = f"{self.depth} {self.encoder.pooling} {self.precision}"
        return digest([repr(sorted(self._config().items())), settings, *self._frozen_state()])

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = self.encoder.transformer.config.to_dict()  # type: ignore[operator,union-attr]
        return {name: str(value) for name, value in config.items() if not name.startswith("_")}

    def _frozen_state(self) -> Iterator[Tensor]:
        parts = (
            [self.encoder] if self.depth == WHOLE else [*self.encoder.embeddings, *self.encoder.layers[: self.depth]]
        )
        for module in parts:
            yield from module.state_dict().values()

    def _fill(self, array: Tensor, split: TokenizedSplit) -> None:
        encoder = inference_copy(self.encoder, self.precision, self.device)
        if self.precision.startswith("bf16"):  # in single precision another library would round otherwise than training
            pack_linear_layers(encoder)

        def encode(ids: Tensor) -> Tensor:
            ids = ids.to(self.device)
            return encoder(ids) if self.depth == WHOLE else encoder.lower_states(self.depth, ids)

        def receive(rows: NDArray[np.int64], values: Tensor) -> None:
            if self.depth == WHOLE:
                array[torch.from_numpy(rows)] = values.to("cpu", array.dtype)
            else:
                positions = split.offsets[rows][:, None] + np.arange(values.shape[1])  # (B, S)
                array[torch.from_numpy(positions)] = values.to("cpu", array.dtype)

        encode_rows(split.tokens, split.offsets, encode, receive)
