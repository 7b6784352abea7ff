"""Kept layers: an encoder with some of a transformer's layers, from which distillation makes a smaller one.

Knows nothing about where weights lie.
"""

import copy
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from polyhead.errors import ParameterError
from polyhead.models.architecture import build_model

EVERY_OTHER = "every_other"
"""The choice of DistilBERT (Sanh et al. 2019, arXiv 1910.01108): layers 0, 2, 4 and so on."""

Layers = int | str | Sequence[int] | None
"""A number of layers from the lowest, the layers themselves, counted from 0, ``every_other``, or None for all."""

RULE = "null for all, a number for as many from the lowest, a rising list such as [0,2,4], or every_other"

_PER_LAYER = ("layer_types",)  # entries of a configuration that are lists with an item for each layer


def may_be_layers(layers: object) -> bool:
    """Return whether a value says which layers to keep, whatever their number is."""
    if layers is None or layers == EVERY_OTHER:
        return True
    if isinstance(layers, int):
        return not isinstance(layers, bool) and layers >= 1
    if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
        return False
    whole = all(type(layer) is int and layer >= 0 for layer in layers)
    return whole and all(lower < upper for lower, upper in pairwise(layers))


def choose_layers(layers: Layers, depth: int) -> tuple[int, ...]:
    """Return the layers to keep, counted from 0.

    >>> choose_layers(3, 6), choose_layers("every_other", 6), choose_layers([0, 5], 6)
    ((0, 1, 2), (0, 2, 4), (0, 5))

    Args:
        layers: the choice; see ``RULE``.
        depth: how many there are.

    Raises:
        ParameterError: there are fewer.
    """
    if layers is None:
        return tuple(range(depth))
    if isinstance(layers, str):
        return tuple(range(0, depth, 2))
    kept = tuple(range(layers)) if isinstance(layers, int) else tuple(layers)
    if kept[-1] >= depth:
        given = layers if isinstance(layers, int) else list(layers)
        raise ParameterError(f"layers: {given!r} given, and the encoder has {depth}, counted from 0")
    return kept


def shorter_config(config: PretrainedConfig, layers: Layers) -> PretrainedConfig:
    """Return the configuration of a transformer with some of its layers.

    Raises:
        ParameterError: as :func:`choose_layers`.
    """
    kept = choose_layers(layers, int(config.num_hidden_layers))
    shorter = copy.deepcopy(config)
    for name in _PER_LAYER:
        items = getattr(config, name, None)
        if isinstance(items, list) and len(items) == config.num_hidden_layers:
            setattr(shorter, name, [items[layer] for layer in kept])
    shorter.num_hidden_layers = len(kept)
    return shorter


def compose_layers(outer: Layers, inner: Layers, depth: int) -> Layers:
    """Return which of ``depth`` layers are kept where a part of them is taken, and then a part of that part.

    >>> compose_layers("every_other", 2, 6)
    (0, 2)

    Raises:
        ParameterError: as :func:`choose_layers`.
    """
    if outer is None or inner is None:
        return inner if outer is None else outer
    first = choose_layers(outer, depth)
    return tuple(first[layer] for layer in choose_layers(inner, len(first)))


def keep_layers(transformer: Any, layers: Layers) -> Any:
    """Return a transformer with some of the layers of another, and all else of it.

    It is what its configuration describes, so that it can be saved and loaded by itself.

    Args:
        transformer: with weights.
        layers: the choice; None returns the transformer itself.

    Raises:
        ParameterError: as :func:`choose_layers`, or layers of this family differ, and a kept one cannot stand where it
            would.
    """
    if layers is None:
        return transformer
    depth = int(transformer.config.num_hidden_layers)
    kept = choose_layers(layers, depth)
    shorter = build_model(shorter_config(transformer.config, layers), "layers")
    if getattr(transformer, "pooler", None) is None and getattr(shorter, "pooler", None) is not None:
        shorter.register_module("pooler", None)  # an Encoder has none
    places = {old: new for new, old in enumerate(kept)}
    list_name = _layers_name(transformer, depth)
    found = {}
    for name, tensor in transformer.state_dict().items():
        moved = _moved(name, list_name, places)
        if moved is not None:
            found[moved] = tensor
    expected = {name: tensor.shape for name, tensor in shorter.state_dict().items()}
    if {name: tensor.shape for name, tensor in found.items()} != expected:
        raise ParameterError(
            f"layers: {list(kept)} given; layers of a {transformer.config.model_type} differ, and these cannot stand "
            "alone; keep the lowest, as layers=3"
        )
    shorter.load_state_dict(found)
    return shorter


def _layers_name(transformer: nn.Module, depth: int) -> str:
    names = [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    return names[0] if names else ""


def _moved(name: str, layers: str, places: dict[int, int]) -> str | None:
    """Return the new name of a tensor; None of a layer that is not kept."""
    match = re.fullmatch(rf"({re.escape(layers)}\.)(\d+)(\..*)", name)
    if match is None:
        return name
    place = places.get(int(match[2]))
    return None if place is None else f"{match[1]}{place}{match[3]}"
