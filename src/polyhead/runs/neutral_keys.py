"""Neutral keys: those of a run's configuration that decide no result. Imports nothing heavy."""

CACHE_FOLDERS = (("activation_cache", "folder"), ("tokens", "folder"), ("data", "cache"))
"""Sections, and the keys in them that name folders of caches."""

DECIDE_NO_RESULT = (
    "activation_cache.limit_gb",
    "data.limit_gb",
    "health",
    "health._target_",
    "health.columns",
    "health.pairs",
    "health.sentences",
    "resume",
    "run_dir",
    "tokens.limit_gb",
)
"""Flat keys, beside those of folders, whose values no metric depends on."""
