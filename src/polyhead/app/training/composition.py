"""Composition: configuration -> objects, with every problem reported at once, before any weights load.

Classes raise errors with the names of their parameters; here the keys of the configuration are put in front.
"""

from collections.abc import Callable
from typing import Any

import torch
from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.builder import build, plain, under
from polyhead.app.config.callback_check import monitor_problems
from polyhead.app.config.trainer_check import balance_problems, batch_problems
from polyhead.app.config.value_check import check_sections, value_problems
from polyhead.app.training.components import RunComponents
from polyhead.app.training.model_check import column_problems, tell_late_stage, too_large
from polyhead.app.training.monitor_choice import choose_monitor
from polyhead.app.training.run_length import find_length
from polyhead.app.training.shard_check import shard_problems
from polyhead.app.training.start_point import StartPoint, find_start
from polyhead.app.training.taken_heads import check_classes
from polyhead.app.training.task_fit import fit_tasks
from polyhead.app.training.teacher import build_student, compose_teacher
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.errors import UserError, collect_errors, parameters_under
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.kept_heads import KeptHeads
from polyhead.freezing.plans import FreezePlan
from polyhead.freezing.probe_stage import takes_steps, without_probe
from polyhead.models.compiler import check_compiler
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.objectives.embedding_loss import EmbeddingLoss
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.objectives.weighting import Weighting
from polyhead.sources.base import Source
from polyhead.tasks import Task, make_tasks
from polyhead.training.auto_epochs import TrainingLength
from polyhead.training.embedding_health import EmbeddingHealth
from polyhead.training.optimizer import Optimization
from polyhead.training.solved_heads import SolvedHeads

MAIN_CHOICES = ("data", "encoder", "freeze", "weighting")  # groups that distinguish runs first


def compose_components(config: DictConfig) -> RunComponents:
    """Build the components.

    Raises:
        UserError: the configuration has problems, one a line.
    """
    check_sections(config)
    composer = _Composer(config)
    composer.problems += value_problems(config)
    source = composer.build("data", Source)
    start = composer.attempt(lambda: find_start(config))
    tasks = composer.make_tasks(source, start)
    encoder = composer.attempt(lambda: build_student(config))
    freeze_plan = composer.build("freeze", FreezePlan)
    if start and freeze_plan and config.keep_heads:
        freeze_plan = KeptHeads(freeze_plan, list(config.keep_heads))
    loader = composer.build("loader", LoaderSettings)
    length = composer.find_length(source, loader)
    components = {
        "loader": loader,
        "token_cache": composer.build("tokens", TokenCache),
        "optimization": composer.build("optimizer", Optimization),
        "activation_cache": composer.build_optional("activation_cache", ActivationCache),
        "heads": composer.build_optional("heads", SolvedHeads),
        "health": composer.build_optional("health", EmbeddingHealth),
        "keep_embedding": composer.build_optional("keep_embedding", EmbeddingLoss),
        "soup": composer.build_optional("soup"),
    }
    if config.compile is True:
        composer.attempt(lambda: check_compiler(hardware.device_type(config.trainer.accelerator)))
    if components["health"]:
        composer.attempt(under("health", components["health"].read_pairs))
    if tasks:  # without them, loss and weighting would complain about the names of tasks
        components["loss"] = composer.build("loss", MultiTaskLoss, tasks=tasks)
        components["weighting"] = composer.build("weighting", Weighting, tasks=[task.name for task in tasks])
        composer.check_monitors(tasks)
        composer.check_heads(components["heads"], tasks, components["loss"])
        components |= composer.attempt(lambda: compose_teacher(config, tasks)) or {}
    if tasks and encoder and freeze_plan:
        composer.check_plan(freeze_plan, encoder, tasks, length)
    if tasks and loader:
        mixed = not composer.problems and source.mixture("train") is not None
        composer.problems += balance_problems(loader, mixed, tasks)
        composer.check_sizes(source, loader)
        composer.problems += shard_problems(config, source, tasks, components, composer.takes_steps)
    if composer.problems:
        raise UserError("\n".join(dict.fromkeys(composer.problems)))
    precision = hardware.choose_precision(config.trainer.precision, config.trainer.accelerator, "trainer.precision")
    return RunComponents(
        tasks=tasks,
        source=source,
        encoder=encoder,
        freeze_plan=freeze_plan,
        precision=precision,
        takes_steps=composer.takes_steps,
        start=start,
        length=length,
        **components,
    )


class _Composer:
    """Builds the components of a run one by one, and collects the problems of all of them.

    Attributes:
        problems: those found so far, a line each.
        takes_steps: whether anything is trained by steps, as far as the plan has been checked.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.problems: list[str] = []
        self.takes_steps = True

    def attempt(self, make: Callable[[], Any]) -> Any:
        """Make something; None where that has problems."""
        try:
            return make()
        except UserError as error:
            self.problems += str(error).splitlines()
            return None

    def build(self, key: str, kind: type | None = None, **objects: Any) -> Any:
        """Build what stands under a key, of a kind; None where that has problems."""
        return self.attempt(lambda: build(self.config[key], key, kind, **objects))

    def build_optional(self, key: str, kind: type | None = None) -> Any:
        """Build what stands under a key; None where nothing does."""
        return self.build(key, kind) if self.config.get(key) else None

    def make_tasks(self, source: Source | None, start: StartPoint | None) -> tuple[Task, ...]:
        """Make the tasks, and check that the data has what they need; none where they or the data have problems."""
        tasks: tuple[Task, ...] = ()
        if source is None:
            return tasks
        kept = self.config.keep_heads if start else ()  # the data need not know their tasks
        with collect_errors(self.problems):
            find = under("data", lambda names, *free: source.find_labels([n for n in names if n not in kept], *free))
            tasks = make_tasks(plain(self.config.tasks), find)
            self.problems += column_problems(tasks)
            check_classes(start, tasks)
            under("data", source.check)([task for task in tasks if task.name not in kept])
        return tasks if self.problems else fit_tasks(tasks, source, self.problems)

    def find_length(self, source: Source | None, loader: LoaderSettings | None) -> TrainingLength:
        """Find how long training lasts; it stays open where there are problems."""
        if source is None or loader is None or self.problems:
            return TrainingLength(None, None)
        return self.attempt(lambda: find_length(self.config, source, loader)) or TrainingLength(None, None)

    def check_plan(
        self, plan: FreezePlan, encoder: PretrainedEncoder, tasks: tuple[Task, ...], length: TrainingLength
    ) -> None:
        """Check that the freeze plan fits the model, on a model without memory for its weights."""
        with collect_errors(self.problems), torch.device("meta"):
            base = under("encoder", encoder.skeleton)()
            skeleton = build(self.config.model, "model", MultiTaskModel, encoder=base, tasks=tasks)
            with parameters_under("freeze"):
                plan.prepare(skeleton)
                stages = plan.checked_stages(skeleton)
            solved = bool(self.config.get("heads"))
            stages = without_probe(stages) if solved else stages
            self.takes_steps = takes_steps(skeleton, stages, solved)
            tell_late_stage(stages[-1].epoch, length.max_epochs)
            self.problems += too_large(skeleton)

    def check_heads(self, heads: SolvedHeads | None, tasks: tuple[Task, ...], loss: object) -> None:
        """Check that the heads can be solved, where they are to be."""
        if heads is not None and loss is not None:
            with collect_errors(self.problems):
                under("heads", heads.check)(tasks, loss)

    def check_monitors(self, tasks: tuple[Task, ...]) -> None:
        """Check that the metrics are measured which the run goes by."""
        choose_monitor(self.config, tasks)
        self.problems += monitor_problems(self.config.monitor, self.config.callbacks, tasks)

    def check_sizes(self, source: Source, loader: LoaderSettings) -> None:
        """Check that no split is empty, and that the Trainer speaks of batches that there are."""
        if self.problems:  # the sizes of sentences that were refused are not known
            return
        splits = ("train", "validation", *(["test"] * self.config.test))
        sizes = {split: source.size(split) for split in splits if source.has(split)}
        line = "data: the {} split is empty; it needs at least one sentence"
        empty = [line.format(split) for split, size in sizes.items() if size == 0]
        self.problems += empty
        if not empty:
            found = batch_problems(plain(self.config.trainer), sizes, loader)
            self.problems += [f"trainer.{problem}" for problem in found]


def compose_model(config: DictConfig, components: RunComponents) -> MultiTaskModel:
    """Build the model and load its weights.

    Raises:
        UserError: the weights cannot be loaded.
    """
    with parameters_under("encoder"):
        encoder = components.encoder.load()
    model: MultiTaskModel = build(config.model, "model", encoder=encoder, tasks=components.tasks)
    return model
