"""Checkpoints: how to read one without running anything in it. Knows nothing about what is in the model."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from polyhead.errors import UserError

_MODEL = "model."  # what MultiTaskTraining calls the model that it trains


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises:
        UserError: it is not there, or no checkpoint of tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"the checkpoint {str(path)!r} cannot be read ({error.strerror})") from error
    except Exception as error:  # the library has a class for each kind of damage, and no common one
        raise _no_checkpoint(path) from error
    if not isinstance(content, dict):
        raise _no_checkpoint(path)
    return cast(dict[str, Any], content)


def best_weights(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """Read the best weights of a run for such a model.

    Raises:
        UserError: no checkpoint, or weights with other names or shapes than the model's.
    """
    path = folder / "checkpoints" / "best.ckpt"
    state = load_checkpoint(path).get("state_dict", {})
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _no_checkpoint(path)
    weights = {name.removeprefix(_MODEL): value for name, value in state.items() if name.startswith(_MODEL)}
    theirs, ours = ({name: value.shape for name, value in some.items()} for some in (weights, model.state_dict()))
    if theirs != ours:
        differing = min(theirs.items() ^ ours.items())[0]
        raise UserError(
            f"run: the weights of {str(path)!r} are not those of its configuration here (the first that differs: "
            f"{differing}); use the version of polyhead, and the encoder and heads, that it was trained with"
        )
    return weights


def _no_checkpoint(path: Path) -> UserError:
    return UserError(f"{str(path)!r} is no checkpoint of tensors and plain values; give a last.ckpt of a run")
