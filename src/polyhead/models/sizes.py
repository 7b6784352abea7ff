"""Sizes: whether an architecture that was read from a file is one that this machine should build at all."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

LARGEST = 100_000_000
"""The largest number that a configuration may hold; vocabularies have some 100,000 tokens."""

MOST_LAYERS = 1_000
"""The largest number under a key that counts layers or blocks; each is an object of its own."""

_COUNTS = ("layer", "block", "expert", "hidden_groups")  # parts of keys that count modules


def size_problems(architecture: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each number of an architecture that no encoder has: building it would hang or fill the memory.

    >>> list(size_problems({"num_hidden_layers": 10**9, "hidden_size": 384}))
    ['num_hidden_layers: 1000000000 given; it must be 1000 or less']
    """
    for key, value in architecture.items():
        if isinstance(value, Mapping):
            yield from size_problems(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            counts = any(part in str(key) for part in _COUNTS) and "size" not in str(key)
            most = MOST_LAYERS if counts else LARGEST
            if not abs(value) <= most:  # not a number is refused, too
                yield f"{key}: {value!r:.40} given; it must be {most} or less"


def fits_files(model: nn.Module, folder: Path) -> bool:
    """Return whether the weights in a folder can hold a model: a parameter takes a byte at least.

    Args:
        model: without memory for its weights (on torch's meta device).
        folder: holds safetensors; one without any is for the library to refuse.
    """
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return not sizes or parameters <= sum(sizes)
