"""Layer split: a transformer cut in two at a depth, by shallow copies that share its modules.

Knows nothing about pooling, tasks or the reason for the cut. Shapes: B sentences, S tokens, H hidden units.
"""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

_BESIDE_EMBEDDINGS = frozenset({"embeddings_project", "embeddings_dropout"})
AFTER_THE_LAYERS = frozenset({"final_norm", "norm", "pooler"})
"""Names of the modules that model families put on top of their last layer."""


class _GivenStates(nn.Module):
    """Takes the place of the embeddings, and returns the states passed to it."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        # Families differ in the position and the name of this argument, but only one has three dimensions.
        tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        return next(tensor for tensor in tensors if tensor.ndim == 3)


def lower_part(transformer: nn.Module, layers: nn.ModuleList, depth: int) -> nn.Module:
    """Return the transformer that ends after its first ``depth`` layers, without the modules on top of the last."""
    names = [name for name, _ in transformer.named_children() if name in AFTER_THE_LAYERS]
    above = {name: nn.Identity() for name in names}
    return _with_layers(transformer, layers, nn.ModuleList(list(layers)[:depth]), above)


def upper_part(transformer: nn.Module, layers: nn.ModuleList, depth: int) -> nn.Module:
    """Return the transformer that takes token states (B, S, H) after ``depth`` layers as ``inputs_embeds``."""
    names = [name for name, _ in transformer.named_children() if name in _BESIDE_EMBEDDINGS]
    below = {"embeddings": _GivenStates(), **{name: nn.Identity() for name in names}}
    return _with_layers(transformer, layers, nn.ModuleList(list(layers)[depth:]), below)


def _with_layers(
    module: nn.Module, layers: nn.ModuleList, replacement: nn.ModuleList, others: Mapping[str, nn.Module]
) -> nn.Module:
    """Copy ``module`` shallowly with other layers and other direct children; parameters stay the same objects."""
    part = copy.copy(module)
    children: dict[str, nn.Module | None] = dict(module._modules)
    for name, child in module.named_children():
        if child is layers:
            children[name] = replacement
        elif name in others:
            children[name] = others[name]
        elif any(inner is layers for inner in child.modules()):
            children[name] = _with_layers(child, layers, replacement, {})
    part._modules = children  # the copy shared the dictionary with the original
    return part
