"""Parts: names for parts of the model, and the parameters they stand for. Knows nothing about freezing.

``encoder``, ``encoder.embeddings``, ``encoder.layers``, ``encoder.layers[0]``, ``encoder.layers[:4]``, ``encoder.top``
(all with parameters above the layers), ``heads`` and ``heads.category`` are modules; ``encoder.biases``,
``encoder.norms`` and ``encoder.adapters`` are kinds of parameters.
"""

import re
from collections.abc import Iterator

from torch import nn
from torch.nn import Parameter

from polyhead.models.multitask import MultiTaskModel

_LAYER = re.compile(r"encoder\.layers\[(-?\d+)\]")
_SLICE = re.compile(r"encoder\.layers\[(-?\d+)?:(-?\d+)?\]")


def parameters_named(model: MultiTaskModel, name: str) -> list[Parameter]:
    """Return the parameters that the name of a part stands for; none if the model has no such part."""
    modules: dict[str, list[nn.Module]] = {
        "encoder": [model.encoder],
        "encoder.embeddings": model.encoder.embeddings,
        "encoder.layers": [model.encoder.layers],
        "encoder.top": model.encoder.top,
        "heads": [model.heads],
        **{f"heads.{task}": [head] for task, head in model.heads.items()},
    }
    if name in modules:
        return [parameter for module in modules[name] for parameter in module.parameters()]
    if name in _KINDS:
        return list(_KINDS[name](model.encoder))
    layers = _layers_named(list(model.encoder.layers), name)
    return [parameter for layer in layers for parameter in layer.parameters()]


def valid_names(model: MultiTaskModel) -> list[str]:
    """Return the names of the parts that this model has."""
    depth = len(model.encoder.layers)
    heads = _with_parameters(model)
    return [
        "encoder",
        "encoder.embeddings",
        "encoder.layers",
        f"encoder.layers[i] and encoder.layers[i:j] with layers 0 to {depth - 1}",
        *(["encoder.top"] if model.encoder.top else []),
        *(name for name, parameters in _KINDS.items() if any(True for _ in parameters(model.encoder))),
        *(["heads"] if heads else []),
        *(f"heads.{task}" for task in heads),
    ]


def layer_groups(model: MultiTaskModel) -> dict[str, list[nn.Module]]:
    """Return the modules of each layer group: the embeddings, each layer, the modules on top, each head.

    A group is in training or evaluation mode as one. Together the groups hold every parameter exactly once.
    """
    found = {"encoder.embeddings": model.encoder.embeddings}
    found |= {f"encoder.layers[{index}]": [layer] for index, layer in enumerate(model.encoder.layers)}
    found |= {"encoder.top": model.encoder.top}
    found |= {f"heads.{task}": [head] for task, head in _with_parameters(model).items()}
    return {name: modules for name, modules in found.items() if modules}


def _with_parameters(model: MultiTaskModel) -> dict[str, nn.Module]:
    """Return the heads that have something to learn, by task."""
    return {task: head for task, head in model.heads.items() if any(True for _ in head.parameters())}


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


def _layers_named(layers: list[nn.Module], name: str) -> list[nn.Module]:
    """Return the layers that a name as ``encoder.layers[:4]`` stands for; none if one of them is missing."""
    depth = len(layers)
    if layer := _LAYER.fullmatch(name):
        index = int(layer[1])
        return [layers[index]] if -depth <= index < depth else []
    if bounds := _SLICE.fullmatch(name):
        start, stop = (None if bound is None else int(bound) for bound in bounds.groups())
        # Python shortens a slice silently: layers[:9] of 6 is a mistake, not all of them.
        if all(bound is None or -depth <= bound <= depth for bound in (start, stop)):
            return layers[start:stop]
    return []
