"""Sections: the keys at the top of a run's configuration. Imports nothing heavy."""

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

OPTIONAL = ("activation_cache", "logger", "soup")
"""Those that have entries, or are null, or absent."""

VALUES = ("compile", "resume", "run_dir", "seed", "tasks", "test", "trust", "watch_conflict")
"""Those that are values, and no groups of options."""

SECTIONS = tuple(sorted((*WITH_ENTRIES, *OPTIONAL, *VALUES)))
"""All that a run reads."""
