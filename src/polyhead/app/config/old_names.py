"""Old names at work: overrides and configurations of version 0.1.0 taken as they are meant, with a line that says so.

The table itself stands in :mod:`polyhead.runs.old_names`. Imports nothing heavy.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from polyhead.processes import first_process
from polyhead.runs.old_names import (
    ENVIRONMENT,
    KEYS,
    OPTIONS,
    new_key,
    new_target,
    new_value,
    old_keys,
    old_targets,
    upgrade,
)

Tell = Callable[[str, str], None]
"""Says that a name has become another."""

_OVERRIDE = re.compile(r"(?P<sign>\+{0,2}|~)(?P<key>\w[\w./]*)(?P<package>@[^=]*)?(?P<value>=.*)?", re.DOTALL)


def new_overrides(overrides: Sequence[str], announce: bool = True) -> list[str]:
    """Return overrides of Hydra's grammar under the names of today.

    Args:
        overrides: of a command line, which may have flags among them, or of a run's ``provenance.json``.
        announce: whether to print a line for each that changes; nobody has typed those of a run.
    """
    tell = _announce if announce else _say_nothing
    return [_new_override(override, tell) for override in overrides]


def upgrade_composed(config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """Return a composed configuration under the names of today; each old name in the user's own YAML is announced.

    Args:
        config: as composed from configs/ and the user's own files.
        overrides: of the command line, already under the names of today; they win over files.
    """
    container = cast(dict[str, Any], OmegaConf.to_container(config))
    keys, targets = old_keys(container), sorted(old_targets(container))
    for old in keys:
        _announce(old, KEYS[old])
    for old in targets:
        _announce(f"_target_: {old}", new_target(old))
    if not keys and not targets:
        return config
    given = {override.lstrip("+").partition("=")[0] for override in overrides}
    upgraded = OmegaConf.create(upgrade(container, kept=given))
    OmegaConf.set_struct(upgraded, True)
    return upgraded


def announce_environment() -> None:
    """Announce the old environment variables that are set, and in use for lack of the new ones."""
    for old, new in ENVIRONMENT.items():
        if old in os.environ and new not in os.environ:
            _announce(old, new)


def rename_hint(key: str, option: str | None = None) -> str | None:
    """Say what a key, or an option of a group, is called today; None if it has not been renamed."""
    renamed = OPTIONS.get(key, {}).get(option or "")
    if option is not None and renamed is not None:
        return f"{key}={option} is now {key}={renamed}"
    return f"{key} is now {new_key(key)}" if new_key(key) != key else None


def _new_override(override: str, tell: Tell) -> str:
    match = _OVERRIDE.fullmatch(override)
    if match is None or not (match["value"] or match["sign"] == "~"):  # a flag, or the value of one
        return override
    old, package = match["key"], match["package"] or ""
    key = new_key(old)
    value = new_value(match["value"] or "")
    if key.endswith("_target_"):
        value = f"={new_target(value[1:])}"
    if key != old:
        tell(old, key)
    value = _with_new_entries(key, value, tell)
    for option, renamed in OPTIONS.get(key, {}).items():
        replaced = re.sub(rf"(?<![\w./-]){option}(?![\w./-])", renamed, value)
        if replaced != value:
            tell(f"{key}={option}", f"{key}={renamed}")
        value = replaced
    return match["sign"] + key + package + value


def _with_new_entries(key: str, value: str, tell: Tell) -> str:
    """Rename the entries of a value such as ``={window: 50}``, where the key's own entries have been renamed."""
    if not value.startswith("={"):
        return value
    for old, new in KEYS.items():
        parent, _, leaf = old.rpartition(".")
        if parent != key:
            continue
        renamed = re.sub(rf"(?<=[{{,\s]){leaf}(?=\s*:)", new.rpartition(".")[2], value)
        if renamed != value:
            tell(old, new)
        value = renamed
    return value


def _say_nothing(old: str, new: str) -> None:
    """Announce nothing."""


@cache
def _announce(old: str, new: str) -> None:
    """Print a line on standard error: once in a process, and of a run's processes only in the first."""
    if first_process():
        print(f"note: {old} is now {new}; the old name works in this version, and not in the next", file=sys.stderr)
