"""Checkpoints: how to read one without running anything in it. Knows nothing about what is in the model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor, nn

from polyhead.errors import UserError
from polyhead.storage.digests import check_intact, has_digest

FORMAT = 2
"""Version of what this package writes into checkpoints beside Lightning's own content.

Version 1, which has no ``polyhead_format``, called the metrics ``ece`` and ``ece_scaled`` otherwise.
"""

_RENAMED_METRICS = {"calibration_error": "ece", "calibration_error_scaled": "ece_scaled"}  # of version 1
_MODEL = "model."  # what MultiTaskTraining calls the model that it trains


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it; one of an older format comes back in today's.

    Raises:
        UserError: it is not there, damaged, no checkpoint of tensors and plain values, or of a newer format.
    """
    check_intact(path)
    try:
        if not has_digest(path):  # of an older version, or brought by a person
            _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"the checkpoint {str(path)!r} cannot be read ({error.strerror})") from error
    except Exception as error:  # the library has a class for each kind of damage, and no common one
        raise _no_checkpoint(path) from error
    if not isinstance(content, dict):
        raise _no_checkpoint(path)
    checkpoint = cast(dict[str, Any], content)
    version = checkpoint.get("polyhead_format", 1)
    if not isinstance(version, int) or version < 1:
        raise _no_checkpoint(path)
    if version > FORMAT:
        raise UserError(
            f"{str(path)!r} has checkpoint format {version}; this version of polyhead reads up to {FORMAT}: "
            "install the version that wrote it, or a later one"
        )
    if any(_leads_elsewhere(text) for text in _texts(checkpoint.get("callbacks"))):
        raise _no_checkpoint(path)
    if version == 1 and isinstance(checkpoint.get("results"), dict):
        checkpoint["results"] = _with_new_names(checkpoint["results"])
    return checkpoint


def best_weights(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """Read the best weights of a run for a model like the one that it trained.

    Raises:
        UserError: no checkpoint, or weights with other names or shapes than the model's.
    """
    path = folder / "checkpoints" / "best.ckpt"
    state = load_checkpoint(path).get("state_dict", {})
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _no_checkpoint(path)
    weights = {name.removeprefix(_MODEL): value for name, value in state.items() if name.startswith(_MODEL)}
    theirs = {name: value.shape for name, value in weights.items()}
    ours = {name: value.shape for name, value in model.state_dict().items()}
    if theirs != ours:
        differing = min(theirs.items() ^ ours.items())[0]
        raise UserError(
            f"run: the weights of {str(path)!r} are not those of its configuration here (the first that differs: "
            f"{differing}); use the version of polyhead, and the encoder and heads, that it was trained with"
        )
    return weights


def _leads_elsewhere(text: str) -> bool:
    """Return whether a text may name a file outside the folder that it seems to lie in.

    Lightning removes the checkpoints that its callbacks noted, if their paths begin with the folder of the run.
    """
    return ".." in Path(text).parts or "://" in text or "::" in text


def _texts(content: Any) -> Iterator[str]:
    """Yield all texts in nested plain values, keys included."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)


def _with_new_names(content: Any) -> Any:
    """Return nested results of version 1 with the metrics' names of today."""
    if not isinstance(content, dict):
        return content
    return {_RENAMED_METRICS.get(key, key): _with_new_names(value) for key, value in content.items()}


def _check_sums(path: Path) -> None:
    """Compare the records of a checkpoint with the sums in it, which torch writes and does not read.

    Raises:
        ValueError: they differ.
    """
    if is_zipfile(path):
        with ZipFile(path) as records:
            if damaged := records.testzip():
                raise ValueError(f"{damaged} is damaged")


def _no_checkpoint(path: Path) -> UserError:
    return UserError(f"{str(path)!r} is no checkpoint of tensors and plain values; give a last.ckpt of a run")


def of_all_processes(value: Any, processes: int) -> list[Any]:
    """Return what each of the training processes has, in their order."""
    values = [value] * processes
    if processes > 1:
        torch.distributed.all_gather_object(values, value)
    return values
