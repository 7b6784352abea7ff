"""Token ids -> activations, fast: no padding, packed linear layers."""

from polyhead.inference.embedder import Embedder
from polyhead.inference.packed_linear import pack_linear_layers
from polyhead.inference.text_runner import TextRunner

__all__ = [
    "Embedder",
    "TextRunner",
    "pack_linear_layers",
]
