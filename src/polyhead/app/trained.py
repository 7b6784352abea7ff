"""A trained run, read back: what its configuration describes, with the best weights in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from polyhead.app.builder import build, plain
from polyhead.app.literal_text import escaped, with_texts
from polyhead.errors import UserError, parameters_under
from polyhead.freezing.lora import merge_adapters
from polyhead.freezing.plans import FreezePlan
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.runs.old_names import upgrade
from polyhead.sources.base import Source
from polyhead.tasks import Task, make_tasks

_SECTIONS = {"encoder", "tasks", "model", "freeze", "data", "run_dir"}  # that a run is read back from


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
        """The run's data, checked once: tables have their splits only then."""
        source: Source = build(self.config.data, "data")
        with parameters_under("data"):
            source.check(self.tasks)
        return source

    @property
    def temperatures(self) -> Mapping[str, float]:
        """Temperatures by task."""
        return {task: results["temperature"] for task, results in self.metrics.validation.items()}


def load_trained_run(folder: Path) -> TrainedRun:
    """Read a run back.

    Raises:
        UserError: the folder holds no finished run, or one whose encoder is not to be found any more or whose weights
            do not fit its configuration.
    """
    from polyhead.training.checkpoints import best_weights  # Lightning takes seconds to import

    metrics = RunMetrics.read(RunFolder(folder))
    config = read_config(folder)
    encoder: PretrainedEncoder = build(config.encoder, "encoder")
    tasks = make_tasks(plain(config.tasks))
    model: MultiTaskModel = build(config.model, "model", encoder=_load_encoder(encoder, folder), tasks=tasks)
    plan: FreezePlan = build(config.freeze, "freeze")
    with parameters_under("freeze"):
        plan.prepare(model)  # adapters have weights of their own
    model.load_state_dict(best_weights(folder, model))
    merge_adapters(model.encoder)
    return TrainedRun(folder, config, tasks, encoder, model.eval().requires_grad_(False), metrics)


def _load_encoder(encoder: PretrainedEncoder, folder: Path) -> Encoder:
    """Load the encoder that a run started from.

    Raises:
        UserError: it is not to be found; a location relative to a folder is only found from there.
    """
    try:
        with parameters_under("encoder"):
            return encoder.load()
    except UserError as error:
        config = folder / "config.yaml"
        raise UserError(
            f"run: the encoder that {str(folder)!r} started from cannot be loaded ({str(error).partition(';')[0]}); "
            f"call the command where the run was started, or set encoder.location in {str(config)!r} to its new place"
        ) from error


def read_config(folder: Path, moved: Path | None = None) -> DictConfig:
    """Read the resolved configuration of a run, under the names of today.

    Args:
        folder: of the run.
        moved: a folder that takes the place of the run's own, wherever that is named.

    Raises:
        UserError: the folder holds no configuration of a run.
    """
    path = folder / "config.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise UserError(f"run: {str(path)!r} cannot be read; give the folder of a finished run") from error
    if not isinstance(content, dict) or not {*map(str, content)} >= _SECTIONS:
        raise UserError(f"run: {str(path)!r} is no configuration of this version of polyhead; train again")
    upgraded = upgrade(content)
    if moved is not None:
        before = str(content["run_dir"])
        upgraded = with_texts(upgraded, lambda text: text.replace(before, str(moved)))
    config: DictConfig = OmegaConf.create(escaped(upgraded))  # it was resolved when it was written
    return config
