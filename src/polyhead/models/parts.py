"""Parts: the names a user sees in the model, and the parameters they stand for. Knows nothing about freezing.

``encoder``, ``encoder.embeddings``, ``encoder.layers``, ``encoder.layers[0]``, ``encoder.layers[:4]``, ``heads`` and
``heads.category`` are modules; ``encoder.biases``, ``encoder.norms`` and ``encoder.adapters`` are kinds of parameters.
"""

import re
from collections.abc import Iterator

from torch import nn
from torch.nn import Parameter

from polyhead.models.multitask import MultiTaskModel

_LAYERS = re.compile(r"encoder\.layers\[(?P<start>-?\d*)(?P<colon>:?)(?P<stop>-?\d*)\]")


def parameters_named(model: MultiTaskModel, name: str) -> list[Parameter]:
    """Return the parameters that a part's name stands for; empty if the model has none of that name."""
    modules: dict[str, list[nn.Module]] = {
        "encoder": [model.encoder],
        "encoder.embeddings": model.encoder.embeddings,
        "encoder.layers": [model.encoder.layers],
        "heads": [model.heads],
        **{f"heads.{task}": [head] for task, head in model.heads.items()},
    }
    if name in modules:
        return [parameter for module in modules[name] for parameter in module.parameters()]
    if name in _KINDS:
        return list(_KINDS[name](model.encoder))
    match = _LAYERS.fullmatch(name)
    layers = _layers_between(list(model.encoder.layers), **match.groupdict()) if match else []
    return [parameter for layer in layers for parameter in layer.parameters()]


def valid_names(model: MultiTaskModel) -> list[str]:
    """List the names that stand for something in this model."""
    depth = len(model.encoder.layers)
    return [
        "encoder",
        "encoder.embeddings",
        "encoder.layers",
        f"encoder.layers[i] and encoder.layers[i:j] with layers 0 to {depth - 1}",
        *(name for name, parameters in _KINDS.items() if any(True for _ in parameters(model.encoder))),
        "heads",
        *(f"heads.{task}" for task in model.heads),
    ]


def layer_groups(model: MultiTaskModel) -> dict[str, list[nn.Module]]:
    """Cut the model into the units that train or rest as one: embeddings, each layer, what is on top, each head.

    Together they hold every parameter exactly once.
    """
    found = {"encoder.embeddings": model.encoder.embeddings}
    found |= {f"encoder.layers[{index}]": [layer] for index, layer in enumerate(model.encoder.layers)}
    found |= {"encoder.top": model.encoder.top}  # a norm, in some families
    found |= {f"heads.{task}": [head] for task, head in model.heads.items()}
    return {name: modules for name, modules in found.items() if modules}


def _biases(encoder: nn.Module) -> Iterator[Parameter]:
    for name, parameter in encoder.named_parameters():
        if name.endswith(".bias"):
            yield parameter


def _norms(encoder: nn.Module) -> Iterator[Parameter]:
    for module in encoder.modules():
        if "norm" in type(module).__name__.lower():  # LayerNorm of torch, and what families write themselves
            yield from module.parameters(recurse=False)


def _adapters(encoder: nn.Module) -> Iterator[Parameter]:
    for name, parameter in encoder.named_parameters():
        if ".lora_" in name:
            yield parameter


_KINDS = {"encoder.biases": _biases, "encoder.norms": _norms, "encoder.adapters": _adapters}


def _layers_between(layers: list[nn.Module], start: str, colon: str, stop: str) -> list[nn.Module]:
    depth = len(layers)
    bounds = [int(bound) for bound in (start, stop) if bound]
    if any(not -depth <= bound <= depth for bound in bounds):
        return []  # Python would cut the slice silently: layers[:9] of 6 is a mistake, not all of them
    if colon:
        return layers[int(start) if start else None : int(stop) if stop else None]
    return [layers[int(start)]] if start and not stop and int(start) < depth else []
