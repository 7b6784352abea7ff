"""What a run trained, read back: its configuration's parts with the best weights in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from polyhead.app.composition import build, plain
from polyhead.errors import UserError
from polyhead.freezing.lora import merge_adapters
from polyhead.freezing.plans import FreezePlan
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.sources.base import Source
from polyhead.tasks import Task, make_tasks


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Args:
        folder: of the run.
        config: its resolved configuration.
        tasks: what the heads predict.
        encoder: where the encoder came from before it was trained.
        model: with the best weights by validation, adapters merged, in evaluation mode.
        metrics: what it measured.
    """

    folder: Path
    config: DictConfig
    tasks: tuple[Task, ...]
    encoder: PretrainedEncoder
    model: MultiTaskModel
    metrics: RunMetrics

    @cached_property
    def source(self) -> Source:
        """The run's data, looked through once: tables have their splits only then."""
        source: Source = build(self.config.data, "data")
        source.check(self.tasks)
        return source

    @property
    def temperatures(self) -> Mapping[str, float]:
        """Temperatures by task."""
        return {task: results["temperature"] for task, results in self.metrics.validation.items()}


def load_trained_run(folder: Path) -> TrainedRun:
    """Read a run back.

    Raises:
        UserError: no finished run, or one whose weights do not fit its configuration.
    """
    from polyhead.training.checkpoints import best_weights  # Lightning takes seconds to import

    metrics = RunMetrics.read(RunFolder(folder))
    config = read_config(folder)
    encoder: PretrainedEncoder = build(config.encoder, "encoder")
    tasks = make_tasks(plain(config.tasks))
    model: MultiTaskModel = build(config.model, "model", encoder=encoder.load(), tasks=tasks)
    plan: FreezePlan = build(config.freeze, "freeze")
    plan.prepare(model)  # adapters have weights of their own
    model.load_state_dict(best_weights(folder, model))
    merge_adapters(model.encoder)
    return TrainedRun(folder, config, tasks, encoder, model.eval().requires_grad_(False), metrics)


def read_config(folder: Path, moved: Path | None = None) -> DictConfig:
    """Read the resolved configuration of a run.

    Args:
        folder: of the run.
        moved: a folder that takes the place of the run's own, wherever that is named.

    Raises:
        UserError: no configuration, or one of another version.
    """
    path = folder / "config.yaml"
    try:
        config = OmegaConf.create(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise UserError(f"run: {str(path)!r} cannot be read; give the folder of a finished run") from error
    if not isinstance(config, DictConfig) or not {"encoder", "tasks", "model", "freeze", "data", "run_dir"} <= {
        *map(str, config)
    }:
        raise UserError(f"run: {str(path)!r} is no configuration of this version of polyhead; train again")
    if moved is not None:
        config = OmegaConf.create(OmegaConf.to_yaml(config).replace(str(config.run_dir), str(moved)))
        assert isinstance(config, DictConfig)
    return config
