"""Fitting weights: safetensors that hold what a transformer has, under its own names, mapped without a conversion.

Most folders are so. transformers would first compile the patterns by which it renames the weights of all its families,
and build the model a second time; all other folders are for it to read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import AutoModel, PretrainedConfig

_FILE = "model.safetensors"
_OTHERS = ("model.safetensors.index.json", "adapter_config.json")  # weights in parts, and weights on top of them
_SPECIAL = ("quantization_config", "fusion_config", "transformers_weights")  # entries that change how they are read
_TYPE = "F32"
_POOLER = "pooler"


def load_fitting(config: PretrainedConfig, skeleton: nn.Module, folder: Path, draws: bool) -> nn.Module | None:
    """Load a transformer in single precision and in evaluation mode, if the weights in a folder fit it as they are.

    The outcome is that of ``AutoModel.from_pretrained``, and the weights lie in the file until they are changed.

    Args:
        config: of the transformer; it is changed.
        skeleton: the same without memory for its weights.
        folder: where it lies.
        draws: where weights are missing, they are drawn at random, so that there is nothing to do here; else a pooler
            may be missing. The transformer has none either way.

    Returns:
        The transformer; None for another kind of folder, other names, shapes or types, or a damaged file.
    """
    if any((folder / name).exists() for name in _OTHERS) or any(getattr(config, name, None) for name in _SPECIAL):
        return None
    if getattr(type(config), "extra_files", None) or _has_shared(skeleton):
        return None
    try:
        if not _fits(skeleton, folder / _FILE):
            return None
        weights = load_file(folder / _FILE)
    except (SafetensorError, OSError):
        return None
    config.name_or_path = str(folder)
    with torch.random.fork_rng(devices=[]), _Unfilled():
        model: nn.Module = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
    if getattr(model, _POOLER, None) is not None:
        if draws and not any(map(_is_of_pooler, weights)):
            return None
        model.register_module(_POOLER, None)
    saved = model.state_dict().keys()
    model.load_state_dict({name: tensor for name, tensor in weights.items() if name in saved}, assign=True)
    return model.eval()


class _Unfilled(TorchFunctionMode):
    """Leaves the memory of parameters as it is found, since weights from a file take its place."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        filled = args[0] if args else given.get("tensor")  # torch.nn.init hands it on by its name
        name = getattr(func, "__name__", "")
        if isinstance(filled, nn.Parameter) and name.endswith("_") and not name.endswith("__"):
            return filled
        return func(*args, **given)


def _fits(skeleton: nn.Module, path: Path) -> bool:
    """Return whether a file has all that a transformer saves, in its shapes, and of the rest only what it computes."""
    expected = {name: list(tensor.shape) for name, tensor in skeleton.state_dict().items() if not _is_of_pooler(name)}
    computed = {name for name, _ in skeleton.named_buffers()} - expected.keys()
    with safe_open(path, "pt") as content:
        names = [name for name in content.keys() if name not in computed and not _is_of_pooler(name)]  # noqa: SIM118
        found = {name: content.get_slice(name) for name in names}
        return all(part.get_dtype() == _TYPE for part in found.values()) and expected == {
            name: list(part.get_shape()) for name, part in found.items()
        }


def _is_of_pooler(name: str) -> bool:
    return name.startswith(f"{_POOLER}.")


def _has_shared(skeleton: nn.Module) -> bool:
    """Return whether a parameter has several names."""
    names = [name for name, _ in skeleton.named_parameters(remove_duplicate=False)]
    return len(names) > len(list(skeleton.parameters()))
