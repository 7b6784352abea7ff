"""Old names: the one table of what version 0.1.0 called otherwise, and its configurations under the names of today.

Knows nothing about Hydra, and nothing about what the names stand for.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

KEYS = {
    "data.cut": "data.holdout",
    "data.drop_leaks": "data.drop_test_duplicates",
    "data.rare": "data.min_class_count",
    "data.shown": "data.max_examples",
    "encoder.source": "encoder.location",
    "features": "activation_cache",
    "freeze.thaw": "freeze.unfreeze",
    "loader.window": "loader.bucket_batches",
}
"""Groups and keys of the configuration; what lies below a key goes with it."""

OPTIONS = {"freeze": {"thawing": "schedule"}}
"""Options by group, the group under its name of today."""

TARGETS = {
    "polyhead.adapters.Lora": "polyhead.freezing.LoRA",
    "polyhead.batching.Batching": "polyhead.data.LoaderSettings",
    "polyhead.callbacks.best.BestCheckpoint": "polyhead.training.callbacks.BestCheckpoint",
    "polyhead.callbacks.gallery.TestGallery": "polyhead.training.callbacks.TestGallery",
    "polyhead.callbacks.gradients.GradientNorms": "polyhead.training.callbacks.GradientNorms",
    "polyhead.callbacks.interruption.SaveOnInterruption": "polyhead.training.callbacks.SaveOnInterruption",
    "polyhead.callbacks.mistakes.Mistakes": "polyhead.training.callbacks.Mistakes",
    "polyhead.callbacks.pictures.ConfusionMatrices": "polyhead.training.callbacks.ConfusionMatrices",
    "polyhead.callbacks.pictures.ReliabilityDiagrams": "polyhead.training.callbacks.ReliabilityDiagrams",
    "polyhead.callbacks.stopping.LastStageStopping": "polyhead.training.callbacks.LastStageStopping",
    "polyhead.corpus.HypotheticalCorpus": "polyhead.sources.HypotheticalCorpus",
    "polyhead.features.FeatureStore": "polyhead.freezing.ActivationCache",
    "polyhead.freezing.Freezing": "polyhead.freezing.FreezeSpec",
    "polyhead.losses.TaskLosses": "polyhead.objectives.MultiTaskLoss",
    "polyhead.model.MultiTaskModel": "polyhead.models.MultiTaskModel",
    "polyhead.optimization.Optimization": "polyhead.training.Optimization",
    "polyhead.pretrained.EncoderSource": "polyhead.models.PretrainedEncoder",
    "polyhead.schedules.Gradual": "polyhead.freezing.Gradual",
    "polyhead.schedules.ProbeThenFineTune": "polyhead.freezing.ProbeThenFineTune",
    "polyhead.schedules.Thawing": "polyhead.freezing.UnfreezeSchedule",
    "polyhead.server.Limits": "polyhead.deployment.server.Limits",
    "polyhead.soup.Soup": "polyhead.runs.Soup",
    "polyhead.tokens.TokenStore": "polyhead.data.TokenCache",
    "polyhead.weighting": "polyhead.objectives.weighting",
}
"""Dotted names of ``_target_``; what lies below a name goes with it."""

ENVIRONMENT = {"POLYHEAD_FEATURES": "POLYHEAD_ACTIVATIONS"}
"""Environment variables, which configs/ reads."""

_INTERPOLATION = re.compile(r"(?<=\$\{)[\w.]+(?=\})")


def new_key(key: str) -> str:
    """Return the name of today of a dotted key: ``features.folder`` -> ``activation_cache.folder``."""
    return _renamed(key, KEYS)


def new_target(target: str) -> str:
    """Return the name of today of a ``_target_``."""
    return _renamed(target, TARGETS)


def new_value(text: str) -> str:
    """Return a value whose interpolations have the names of today: ``${features.folder}``."""
    return _INTERPOLATION.sub(lambda match: new_key(match[0]), text)


def upgrade(config: Mapping[str, Any], kept: Collection[str] = ()) -> dict[str, Any]:
    """Return a configuration under the names of today.

    Args:
        config: nested mappings, lists and plain values; its own names may be old, new, or both.
        kept: keys of today that keep their value where the old key stands beside them; of others the old one wins.
    """
    upgraded: dict[str, Any] = _with_new_values(config)
    for old in old_keys(upgraded):
        parent, _, leaf = old.rpartition(".")
        section = _section(upgraded, parent)
        _put(section, KEYS[old].rpartition(".")[2], section.pop(leaf), parent, kept)
    logger = upgraded.get("logger")
    if isinstance(logger, dict) and "_target_" in logger:  # one, without a name
        upgraded["logger"] = {_logger_name(logger["_target_"]): logger}
    return upgraded


def _logger_name(target: object) -> str:
    """Name a logger by its class: ``tensorboard`` for Lightning's ``TensorBoardLogger``."""
    return str(target).rpartition(".")[2].removesuffix("Logger").lower() or "logger"


def upgrade_choices(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices of a run, an option by group, under the names of today."""
    renamed = {new_key(group): option for group, option in choices.items()}
    return {group: OPTIONS.get(group, {}).get(option, option) for group, option in renamed.items()}


def old_keys(config: Mapping[str, Any]) -> list[str]:
    """List the old keys that stand in a configuration."""
    places = {old: old.rpartition(".") for old in KEYS}
    return [old for old, (parent, _, leaf) in places.items() if leaf in _section(config, parent)]


def old_targets(node: Any) -> set[str]:
    """Return the old ``_target_``s that stand in a configuration."""
    if isinstance(node, list):
        return set().union(*map(old_targets, node))
    if not isinstance(node, Mapping):
        return set()
    own = node.get("_target_")
    found = {own} if isinstance(own, str) and new_target(own) != own else set()
    return found.union(*map(old_targets, node.values()))


def _renamed(name: str, table: Mapping[str, str]) -> str:
    """Return a dotted name with the part of it that the table renames under its new name."""
    for old, new in table.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return name


def _with_new_values(node: Any) -> Any:
    if isinstance(node, Mapping):
        values = {name: _with_new_values(value) for name, value in node.items()}
        if isinstance(target := values.get("_target_"), str):
            values["_target_"] = new_target(target)
        return values
    if isinstance(node, list):
        return [_with_new_values(value) for value in node]
    return new_value(node) if isinstance(node, str) else node


def _section(config: Any, key: str) -> Any:
    """Return the mapping that a dotted key names, the whole for none; an empty one where there is none."""
    for name in filter(None, key.split(".")):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def _put(section: dict[str, Any], name: str, value: Any, parent: str, kept: Collection[str]) -> None:
    """Put a value under its new name, into what stands there where both are mappings."""
    key = f"{parent}.{name}".lstrip(".")
    if isinstance(value, Mapping) and isinstance(section.get(name), Mapping):
        for inner, inner_value in value.items():
            _put(section[name], inner, inner_value, key, kept)
    elif name not in section or key not in kept:
        section[name] = value
