"""Splitting: a transformer cut in two at a depth, by shallow copies that share its modules.

Knows nothing about pooling, tasks or why one would cut. Shapes: B sentences, S tokens, H hidden units.
"""

import copy
from typing import Any

from torch import Tensor, nn

_BESIDE_EMBEDDINGS = frozenset({"embeddings_project", "embeddings_dropout"})
AFTER_THE_LAYERS = frozenset({"final_norm", "norm", "pooler"})
"""What families put on top of their last layer."""


class _Passed(nn.Module):
    """Stands where the embeddings stood and hands on the states it is given."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        # Families differ in the position and the name of this argument, but only one has three dimensions.
        return next(v for v in (*args, *kwargs.values()) if isinstance(v, Tensor) and v.ndim == 3)


def lower_part(transformer: nn.Module, layers: nn.ModuleList, depth: int) -> nn.Module:
    """Return the transformer that ends after its first ``depth`` layers, without what stands on top of the last."""
    above: dict[str, nn.Module] = {
        name: nn.Identity() for name, _ in transformer.named_children() if name in AFTER_THE_LAYERS
    }
    return _with_layers(transformer, layers, nn.ModuleList(list(layers)[:depth]), above)


def upper_part(transformer: nn.Module, layers: nn.ModuleList, depth: int) -> nn.Module:
    """Return the transformer that takes token states (B, S, H) after ``depth`` layers as ``inputs_embeds``."""
    below: dict[str, nn.Module] = {"embeddings": _Passed()}
    below |= {name: nn.Identity() for name, _ in transformer.named_children() if name in _BESIDE_EMBEDDINGS}
    return _with_layers(transformer, layers, nn.ModuleList(list(layers)[depth:]), below)


def _with_layers(
    module: nn.Module, layers: nn.ModuleList, replacement: nn.ModuleList, others: dict[str, nn.Module]
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
    part.__dict__["_modules"] = children
    return part
