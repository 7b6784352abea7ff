"""Sentence weights: those of the modules on top of pooling, from safetensors. Knows nothing about transformers."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from polyhead.errors import ParameterError
from polyhead.models.model_files import ModelFiles
from polyhead.models.pipeline import ModuleFolder

_FILE, _PICKLE = "model.safetensors", "pytorch_model.bin"


def load_weights(
    files: ModelFiles, folders: Sequence[ModuleFolder], skeletons: Iterable[nn.Module]
) -> list[dict[str, Tensor]]:
    """Load the weights of each module, none for one that has none.

    Args:
        files: of the model.
        folders: the modules as the model's folder describes them.
        skeletons: the same without memory for their weights.

    Raises:
        ParameterError: weights that are missing, a pickle, damaged, or of other shapes.
    """
    return [_load(files, folder, skeleton) for folder, skeleton in zip(folders, skeletons, strict=True)]


def _load(files: ModelFiles, folder: ModuleFolder, skeleton: nn.Module) -> dict[str, Tensor]:
    expected = {name: list(tensor.shape) for name, tensor in skeleton.state_dict().items()}
    if not expected:
        return {}
    path = files.find(str(PurePosixPath(folder.path, _FILE)))
    if path is None:
        is_pickle = files.find(str(PurePosixPath(folder.path, _PICKLE))) is not None
        reason = f"{_PICKLE}, a pickle, which is not loaded" if is_pickle else f"no {_FILE}"
        raise ParameterError(
            f"location: its {folder.path} has {reason}; write the model again, by "
            f"SentenceTransformer({files.location!r}).save(FOLDER)"
        )
    try:
        with safe_open(path, "pt") as content:
            found = {name: _shape(content, name) for name in content.keys()}  # noqa: SIM118 (it is no mapping)
        if found != expected:
            raise ParameterError(f"location: {str(path)!r} does not fit its config.json; copy the folder again")
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ParameterError(f"location: {str(path)!r} is no safetensors; copy the folder again") from error


def _shape(content: Any, name: str) -> list[int]:
    return list(content.get_slice(name).get_shape())
