"""Checkpoints: which to keep, and how to read one. Knows nothing about what is in the model."""

import pickle
import shutil
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from polyhead.errors import UserError

_MODEL = "model."  # what MultiTaskTraining calls the model that it trains


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best weights by a monitored metric, also across a resumption into another folder.

    Lightning's own forgets the best score when the folder changes, so that the first epoch after a resumption counts
    as the best, whatever came before.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best weights so far: a copy, so that the other run keeps its own."""
        theirs = Path(state_dict["best_model_path"])
        if self.dirpath is not None and state_dict["dirpath"] != self.dirpath and theirs.is_file():
            ours = Path(self.dirpath) / theirs.name
            ours.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(theirs, ours)
            state_dict = {
                **state_dict,
                "dirpath": self.dirpath,
                "best_model_path": str(ours),
                "kth_best_model_path": str(ours),
                "best_k_models": {str(ours): state_dict["best_model_score"]},
                "last_model_path": "",
            }
        super().load_state_dict(state_dict)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises:
        UserError: it is not there, or no checkpoint of tensors and plain values.
    """
    try:
        return cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise UserError(f"the checkpoint {str(path)!r} cannot be read ({error.strerror})") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise UserError(
            f"{str(path)!r} is no checkpoint of tensors and plain values; give a last.ckpt of a run"
        ) from error


def best_weights(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """Read the best weights of a run for such a model.

    Raises:
        UserError: no checkpoint, or weights with other names or shapes than the model's.
    """
    path = folder / "checkpoints" / "best.ckpt"
    state: dict[str, Tensor] = load_checkpoint(path).get("state_dict", {})
    weights = {name.removeprefix(_MODEL): value for name, value in state.items() if name.startswith(_MODEL)}
    theirs, ours = ({name: value.shape for name, value in some.items()} for some in (weights, model.state_dict()))
    if theirs != ours:
        differing = min(theirs.items() ^ ours.items())[0]
        raise UserError(
            f"run: the weights of {str(path)!r} are not those of its configuration here (the first that differs: "
            f"{differing}); use the version of polyhead, and the encoder and heads, that it was trained with"
        )
    return weights
