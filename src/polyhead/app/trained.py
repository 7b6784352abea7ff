"""What a run trained, read back: its configuration's parts with the best weights in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from polyhead.app.composition import build, plain
from polyhead.errors import UserError
from polyhead.model import MultiTaskModel
from polyhead.pretrained import EncoderSource
from polyhead.runs import Run
from polyhead.tasks import Task, make_tasks

_MODEL = "model."


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Args:
        folder: of the run.
        config: its resolved configuration.
        tasks: what the heads predict.
        encoder: where the encoder came from before it was trained.
        model: with the best weights by validation, in evaluation mode.
        metrics: its ``metrics.json``.
    """

    folder: Path
    config: DictConfig
    tasks: tuple[Task, ...]
    encoder: EncoderSource
    model: MultiTaskModel
    metrics: Mapping[str, Any]

    @property
    def temperatures(self) -> Mapping[str, float]:
        """Temperatures by task, as far as the run fitted any."""
        fitted: Mapping[str, float] = self.metrics.get("temperatures") or {}
        return fitted


def load_trained(folder: Path) -> Trained:
    """Read a run back.

    Raises:
        UserError: no finished run, or one whose weights do not fit its configuration.
    """
    metrics = Run(folder).read_json("metrics.json")
    config = read_config(folder)
    encoder: EncoderSource = build(config.encoder, "encoder")
    tasks = make_tasks(plain(config.tasks))
    model: MultiTaskModel = build(config.model, "model", encoder=encoder.load(), tasks=tasks)
    load_weights(model, folder, _MODEL)
    return Trained(folder, config, tasks, encoder, model.eval().requires_grad_(False), metrics)


def read_config(folder: Path) -> DictConfig:
    """Read the resolved configuration of a run.

    Raises:
        UserError: no configuration, or one of another version.
    """
    path = folder / "config.yaml"
    try:
        config = OmegaConf.load(path)
    except (OSError, ValueError) as error:
        raise UserError(f"run: {str(path)!r} cannot be read; give the folder of a finished run") from error
    if not isinstance(config, DictConfig) or not {"encoder", "tasks", "model", "data"} <= {*map(str, config)}:
        raise UserError(f"run: {str(path)!r} is no configuration of this version of polyhead; train again")
    return config


def load_weights(module: nn.Module, folder: Path, prefix: str) -> None:
    """Put a run's best weights into a module.

    Args:
        module: the model, or a part of it.
        folder: of the run.
        prefix: of the names of the part's weights in the checkpoint.

    Raises:
        UserError: no checkpoint, or weights with other names or shapes than the module's.
    """
    from polyhead.checkpoints import load_checkpoint  # Lightning takes seconds to import

    path = folder / "checkpoints" / "best.ckpt"
    state: dict[str, Tensor] = load_checkpoint(path).get("state_dict", {})
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    theirs, ours = ({name: value.shape for name, value in some.items()} for some in (weights, module.state_dict()))
    if theirs != ours:
        differing = min(theirs.items() ^ ours.items())[0]
        raise UserError(
            f"run: the weights of {str(path)!r} are not those of this encoder and these heads (the first that differs: "
            f"{differing}); choose the encoder= of the run, and the version of polyhead that trained it"
        )
    module.load_state_dict(weights)
