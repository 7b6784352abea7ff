"""Composition: configuration -> objects, with every problem reported at once, before any weights load.

Lightning is imported last, so that a mistake in the rest is told without waiting for it.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import torch
from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from polyhead import hardware
from polyhead.app.options import check_options, describe_types, has_type, plain_types
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.errors import UserError, collect_errors
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

MAIN_CHOICES = ("data", "encoder", "freeze", "weighting")  # groups by which runs are told apart first

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
    """All that a run is made of, but for weights and data."""

    tasks: tuple[Task, ...]
    source: "Source"
    batching: LoaderSettings
    tokens: TokenCache
    encoder: PretrainedEncoder
    freezing: FreezePlan
    losses: MultiTaskLoss
    weighting: Weighting
    optimization: Optimization
    activation_cache: ActivationCache | None
    soup: "Soup | None"
    precision: str


def compose_components(config: DictConfig) -> RunComponents:
    """Build the parts.

    Raises:
        UserError: the configuration has problems, one a line.
    """
    flat = [
        f"{name}: {config[name]!r} given; it has entries with names, set one by {name}.NAME=VALUE"
        for name in _SECTIONS
        if not isinstance(config[name], DictConfig)
    ]
    if not isinstance(config.tasks, DictConfig | ListConfig):
        flat.append(f"tasks: {config.tasks!r} given; it must be a list of names, or class names by name")
    if flat:
        raise UserError("\n".join(flat))
    problems: list[str] = list(hardware.problems(config.trainer.accelerator, config.trainer.precision))
    parts: dict[str, Any] = {}
    with collect_errors(problems):
        check_options(config, **dict.fromkeys(_SWITCHES, bool))

    def attempt(name: str, key: str, **objects: Any) -> None:
        with collect_errors(problems):
            parts[name] = build(config[key], key, **objects)

    attempt("source", "data")
    if "source" in parts:
        with collect_errors(problems):
            parts["tasks"] = make_tasks(plain(config.tasks), parts["source"].find_labels)
            parts["source"].check(parts["tasks"])
    if config.resume is not None and not Path(config.resume).is_file():
        problems.append(f"resume: no file {config.resume!r}; give the checkpoints/last.ckpt of a run")
    attempt("batching", "loader")
    attempt("tokens", "tokens")
    attempt("encoder", "encoder")
    attempt("freezing", "freeze")
    if "tasks" in parts:
        attempt("losses", "loss", tasks=parts["tasks"])
    attempt("weighting", "weighting", tasks=[task.name for task in parts.get("tasks", ())])
    attempt("optimization", "optimizer")
    for name in ("activation_cache", "soup"):
        parts[name] = None
        if config.get(name):
            attempt(name, name)
    if {"tasks", "encoder", "freezing"} <= parts.keys():
        with collect_errors(problems), torch.device("meta"):
            skeleton = build(config.model, "model", encoder=parts["encoder"].skeleton(), tasks=parts["tasks"])
            parts["freezing"].prepare(skeleton)
            parts["freezing"].checked_stages(skeleton)
    if problems:
        raise UserError("\n".join(problems))
    precision = config.trainer.precision
    parts["precision"] = hardware.best_precision(config.trainer.accelerator) if precision == "auto" else precision
    return RunComponents(**parts)


def compose_model(config: DictConfig, parts: RunComponents) -> MultiTaskModel:
    """Build the model, weights loaded.

    Raises:
        UserError: the weights cannot be had.
    """
    model: MultiTaskModel = build(config.model, "model", encoder=parts.encoder.load(), tasks=parts.tasks)
    return model


def compose_trainer(config: DictConfig, precision: str, callbacks: list["L.Callback"]) -> "L.Trainer":
    """Build Lightning's Trainer with the configured callbacks and logger, and with ``callbacks`` besides.

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


def build(node: DictConfig, key: str, **objects: Any) -> Any:
    """Build the object that a configuration node describes; the only place that does.

    Args:
        node: ``_target_`` and its arguments.
        key: where the node stands in the configuration, for messages.
        objects: arguments that are objects and no configuration; they win over the node's.

    Raises:
        UserError: an argument is unknown, missing, of the wrong type, or refused by the target.
    """
    try:
        target = get_object(node["_target_"])
    except (HydraException, ValueError, ImportError, AttributeError) as error:
        raise UserError(f"{key}._target_: {node['_target_']!r} cannot be found; name a class or a function") from error
    arguments = {name: value for name, value in plain(node).items() if not name.startswith("_")}
    problems = list(_misfits(target, key, arguments, objects))
    if problems:
        raise UserError("\n".join(problems))
    try:
        # Objects go round Hydra, which would take dataclasses among them for configurations and tear them apart.
        return instantiate(node, _partial_=True, _convert_="all")(**objects)
    except Exception as error:
        raise UserError(_cause(error, key)) from error


def plain(node: DictConfig) -> dict[str, Any]:
    """Turn a configuration node into plain Python, interpolations resolved."""
    container: dict[str, Any] = OmegaConf.to_container(node, resolve=True)  # type: ignore[assignment]
    return container


def _misfits(target: Any, key: str, arguments: Mapping[str, Any], objects: Mapping[str, Any]) -> Iterator[str]:
    """Say which arguments do not fit the target's signature, a line each."""
    signature = inspect.signature(target)
    for name in ({*arguments} - {*signature.parameters}) if not _takes_anything(signature) else ():
        valid = sorted({*signature.parameters} - {*objects, "self"})
        yield f"{key}.{name}: {_target_name(target)} has no such argument; valid: {', '.join(valid)}"
    for name, parameter in signature.parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if needed and name not in arguments and name not in objects:
            yield f"{key}.{name}: missing; set {key}.{name}=..."
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    for name, value in arguments.items():
        allowed = plain_types(hints.get(name))
        if name not in objects and allowed and not has_type(value, allowed):
            yield f"{key}.{name}: {value!r} given; it must be {describe_types(allowed)}"


def _takes_anything(signature: inspect.Signature) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _target_name(target: Any) -> str:
    """Return the name by which a target is known to its users."""
    return str(getattr(target, "__qualname__", target))


def _cause(error: BaseException, key: str) -> str:
    """Return what the innermost exception says; Hydra wraps it, and names the target instead of the key."""
    while not isinstance(error, UserError) and error.__cause__ is not None:
        error = error.__cause__
    return str(error) if isinstance(error, UserError) else f"{key}: {' '.join(str(error).split())}"
