"""The configuration of a run, read back: under the names of today, in its place, and checked for what it builds."""

from collections.abc import Collection
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from polyhead.app.config.builder import plain
from polyhead.app.config.literals import literal
from polyhead.app.config.places import move_run
from polyhead.app.config.trust import check_config
from polyhead.errors import UserError
from polyhead.runs.old_names import upgrade
from polyhead.storage.digests import warn_if_changed
from polyhead.storage.documents import read_yaml

_SECTIONS = {  # that a run is read back from
    "data": dict,
    "encoder": dict,
    "freeze": dict,
    "model": dict,
    "run_dir": str,
    "tasks": dict | list,
}


def read_config(folder: Path, moved: Path | None = None, trust: Collection[str] = ()) -> DictConfig:
    """Read the resolved configuration of a run, under the names of today; texts in it are never resolved again.

    Args:
        folder: of the run.
        moved: a folder that takes the place of the run's own, wherever that is named; None is where it lies.
        trust: packages whose names it may build, beside polyhead's own.

    Raises:
        UserError: the folder holds no configuration of a run, or one that builds what is not trusted.
    """
    path = folder / "config.yaml"
    warn_if_changed(path)
    try:
        content = read_yaml(path)
    except OSError as error:
        raise UserError(f"run: {str(path)!r} cannot be read; give the folder of a finished run") from error
    except ValueError as error:
        raise UserError(f"run: {str(path)!r} cannot be read ({error}); give the folder of a finished run") from error
    upgraded = upgrade(content) if isinstance(content, dict) else {}
    if not all(isinstance(upgraded.get(name), kind) for name, kind in _SECTIONS.items()):
        raise UserError(f"run: {str(path)!r} is no configuration of this version of polyhead; train again")
    place = (moved or folder).resolve()
    placed = move_run(upgraded, str(upgraded["run_dir"]), str(place))
    check_config(placed, trust, place)
    return cast(DictConfig, OmegaConf.create(literal({**placed, "trust": list(trust)})))


def use_own_caches(config: DictConfig, own: DictConfig) -> None:
    """Put the caches of a user's own configuration in place of those of a run: they write files, and remove some.

    Args:
        config: of the run.
        own: composed with ``data=files`` and ``activation_cache=disk``.
    """
    config.tokens = literal(plain(own.tokens))
    if config.get("activation_cache"):
        config.activation_cache = literal(plain(own.activation_cache))
    if "cache" in config.data:
        config.data.cache = literal(plain(own.data)["cache"])
