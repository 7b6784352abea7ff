"""Places: folders that stand in a configuration and decide no result. Knows nothing about what lies in them."""

from collections.abc import Mapping
from typing import Any

from polyhead.runs.neutral_keys import CACHE_FOLDERS


def move_run(node: Any, old: str, new: str) -> Any:
    """Return a nested configuration in which ``new`` stands for the run's folder ``old``, and for what lies in it."""
    if isinstance(node, Mapping):
        return {name: move_run(value, old, new) for name, value in node.items()}
    if isinstance(node, list):
        return [move_run(value, old, new) for value in node]
    if isinstance(node, str) and (node == old or node.startswith(f"{old}/")):
        return new + node.removeprefix(old)
    return node


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that is equal for equal runs: their own folders are blank, those of caches left out.

    So is whom the command that wrote it trusted.

    Args:
        config: resolved, under the names of today.
    """
    blank: dict[str, Any] = move_run(config, str(config.get("run_dir")), "RUN")
    for section, key in CACHE_FOLDERS:
        if isinstance(entries := blank.get(section), dict):
            entries.pop(key, None)
    blank.pop("trust", None)
    return blank


def take_places(config: dict[str, Any], here: Mapping[str, Any]) -> None:
    """Give a configuration the folders of caches that another one has; they are those of this machine."""
    for section, key in CACHE_FOLDERS:
        theirs, ours = config.get(section), here.get(section)
        if isinstance(theirs, dict) and isinstance(ours, Mapping) and key in theirs and key in ours:
            theirs[key] = ours[key]
