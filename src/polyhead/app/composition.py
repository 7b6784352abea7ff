"""Composition: configuration -> objects, with every problem reported at once, before any weights load.

Classes raise errors with the names of their parameters; here the keys of the configuration are put in front. Lightning
is imported last, so that a mistake in the rest is reported without waiting for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch
from omegaconf import DictConfig, ListConfig

from polyhead import hardware
from polyhead.app.builder import build, plain
from polyhead.app.options import check_options
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.errors import UserError, collect_errors, parameters_under
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.plans import FreezePlan
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.objectives.weighting import Weighting
from polyhead.tasks import Task, make_tasks
from polyhead.training.optimizer import Optimization

if TYPE_CHECKING:
    import lightning as L

    from polyhead.runs.soup import Soup
    from polyhead.sources.base import Source

Given = ParamSpec("Given")
Result = TypeVar("Result")

MAIN_CHOICES = ("data", "encoder", "freeze", "weighting")  # groups that distinguish runs first

_SWITCHES = ("compile", "test", "watch_conflict")
_SECTIONS = (
    "data",
    "encoder",
    "freeze",
    "loader",
    "loss",
    "model",
    "monitor",
    "optimizer",
    "tokens",
    "trainer",
    "weighting",
)


@dataclass(frozen=True)
class RunComponents:
    """All that a run is made of, but for weights and sentences."""

    tasks: tuple[Task, ...]
    source: "Source"
    loader: LoaderSettings
    token_cache: TokenCache
    encoder: PretrainedEncoder
    freeze_plan: FreezePlan
    loss: MultiTaskLoss
    weighting: Weighting
    optimization: Optimization
    activation_cache: ActivationCache | None
    soup: "Soup | None"
    precision: str

    def describe(self, run_dir: str) -> dict[str, str]:
        """Return what caches say of the entries that a run makes."""
        return {"encoder": self.encoder.location, "run": run_dir}


def compose_components(config: DictConfig) -> RunComponents:
    """Build the components.

    Raises:
        UserError: the configuration has problems, one a line.
    """
    _check_sections(config)
    composer = _Composer(config)
    composer.check_values()
    source = composer.build("data")
    tasks = composer.make_tasks(source)
    encoder = composer.build("encoder")
    freeze_plan = composer.build("freeze")
    components = {
        "loader": composer.build("loader"),
        "token_cache": composer.build("tokens"),
        "optimization": composer.build("optimizer"),
        "activation_cache": composer.build_optional("activation_cache"),
        "soup": composer.build_optional("soup"),
    }
    if tasks:  # without them, loss and weighting would complain about the names of tasks
        components["loss"] = composer.build("loss", tasks=tasks)
        components["weighting"] = composer.build("weighting", tasks=[task.name for task in tasks])
    if tasks and encoder and freeze_plan:
        composer.check_plan(freeze_plan, encoder, tasks)
    if composer.problems:
        raise UserError("\n".join(composer.problems))
    precision = config.trainer.precision
    if precision == "auto":
        precision = hardware.best_precision(config.trainer.accelerator)
    return RunComponents(
        tasks=tasks, source=source, encoder=encoder, freeze_plan=freeze_plan, precision=precision, **components
    )


class _Composer:
    """Builds the components one by one, and collects the problems of all of them.

    Args:
        config: of the run.

    Attributes:
        problems: those found so far, a line each.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.problems: list[str] = []

    def build(self, key: str, **objects: Any) -> Any:
        """Build what stands under a key; None where that has problems."""
        try:
            return build(self.config[key], key, **objects)
        except UserError as error:
            self.problems += str(error).splitlines()
            return None

    def build_optional(self, key: str) -> Any:
        """Build what stands under a key; None where nothing does."""
        return self.build(key) if self.config.get(key) else None

    def check_values(self) -> None:
        """Check what is a value by itself and no part of an object."""
        trainer, resume = self.config.trainer, self.config.resume
        self.problems += hardware.problems(trainer.accelerator, trainer.precision)
        with collect_errors(self.problems):
            check_options(self.config, **dict.fromkeys(_SWITCHES, bool))
        if resume is not None and not Path(resume).is_file():
            self.problems.append(f"resume: no file {resume!r}; give the checkpoints/last.ckpt of a run")

    def make_tasks(self, source: "Source | None") -> tuple[Task, ...]:
        """Make the tasks, and check that the data has what they need; none where they or the data have problems."""
        tasks: tuple[Task, ...] = ()
        if source is None:
            return tasks
        with collect_errors(self.problems):
            tasks = make_tasks(plain(self.config.tasks), _under("data", source.find_labels))
            _under("data", source.check)(tasks)
        return tasks

    def check_plan(self, plan: FreezePlan, encoder: PretrainedEncoder, tasks: tuple[Task, ...]) -> None:
        """Check that the freeze plan fits the model, on a model without memory for its weights."""
        with collect_errors(self.problems), torch.device("meta"):
            skeleton = build(self.config.model, "model", encoder=_under("encoder", encoder.skeleton)(), tasks=tasks)
            with parameters_under("freeze"):
                plan.prepare(skeleton)
                plan.checked_stages(skeleton)


def _check_sections(config: DictConfig) -> None:
    """Check that whatever must have entries has them.

    Raises:
        UserError: single values stand in the place of sections, one a line.
    """
    problems = [
        f"{name}: {config[name]!r} given; it has entries with names, set one by {name}.NAME=VALUE"
        for name in _SECTIONS
        if not isinstance(config[name], DictConfig)
    ]
    if not isinstance(config.tasks, DictConfig | ListConfig):
        problems.append(f"tasks: {config.tasks!r} given; it must be a list of names, or class names by name")
    if problems:
        raise UserError("\n".join(problems))


def _under(key: str, call: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return a function that puts ``key.`` in front of the parameters of the errors that ``call`` raises."""

    def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with parameters_under(key):
            return call(*args, **kwargs)

    return wrapped


def compose_model(config: DictConfig, components: RunComponents) -> MultiTaskModel:
    """Build the model and load its weights.

    Raises:
        UserError: the weights cannot be loaded.
    """
    with parameters_under("encoder"):
        encoder = components.encoder.load()
    model: MultiTaskModel = build(config.model, "model", encoder=encoder, tasks=components.tasks)
    return model


def compose_trainer(config: DictConfig, precision: str, callbacks: list["L.Callback"]) -> "L.Trainer":
    """Build Lightning's Trainer with the configured callbacks and logger.

    Args:
        config: of the run.
        precision: as Lightning names it.
        callbacks: besides the configured ones.


    Raises:
        UserError: Lightning refuses the values, one problem a line.
    """
    problems: list[str] = []
    with collect_errors(problems):
        configured = [build(node, f"callbacks.{name}") for name, node in config.callbacks.items()]
    with collect_errors(problems):
        logger = build(config.logger, "logger") if config.logger else False
    if problems:
        raise UserError("\n".join(problems))
    if not logger:  # Lightning refuses to watch rates that nobody would see
        from lightning.pytorch.callbacks import LearningRateMonitor

        configured = [callback for callback in configured if not isinstance(callback, LearningRateMonitor)]
    trainer: L.Trainer = build(
        config.trainer, "trainer", precision=precision, callbacks=[*configured, *callbacks], logger=logger
    )
    return trainer
