"""Neutral keys: those of a run's configuration that decide no result. Imports nothing heavy."""

CACHE_FOLDERS = (("activation_cache", "folder"), ("tokens", "folder"), ("data", "cache"))
"""Sections, and the keys in them that name folders of caches."""

_KEYS = ("activation_cache.limit_gb", "data.limit_gb", "resume", "run_dir", "tokens.limit_gb")
_SECTIONS = ("health", "logger")


def is_neutral(key: str) -> bool:
    """Return whether no metric depends on the value of a flat key; folders of caches are apart.

    >>> is_neutral("logger.wandb.name"), is_neutral("data.limit")
    (True, False)
    """
    return key in _KEYS or key.partition(".")[0] in _SECTIONS
