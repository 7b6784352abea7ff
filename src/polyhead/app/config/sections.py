"""Sections: the keys at the top of a run's configuration. Imports nothing heavy."""

from collections.abc import Mapping
from typing import Any

WITH_ENTRIES = (
    "callbacks",
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
"""Those that always have entries."""

OPTIONAL = ("activation_cache", "heads", "health", "keep_embedding", "logger", "soup")
"""Those that have entries, or are null, or absent."""

ALONE = ("auto_epochs", "distillation")
"""Those that have entries, or are absent, and no options to choose from."""

VALUES = (
    "compile",
    "interpolation",
    "keep_heads",
    "resume",
    "run_dir",
    "seed",
    "start",
    "tasks",
    "teacher",
    "test",
    "trust",
    "watch_conflict",
)
"""Those that are values, and no groups of options."""


def logger_nodes(section: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the loggers of a configuration by their keys: ``logger.tensorboard``, or ``logger`` where it is one."""
    if not section:
        return {}
    if "_target_" in section:
        return {"logger": section}
    return {f"logger.{name}": section[name] for name in section}


SECTIONS = tuple(sorted((*WITH_ENTRIES, *OPTIONAL, *ALONE, *VALUES)))
"""All that a run reads."""
